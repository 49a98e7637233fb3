import { toError } from '#platform/errors/domain-error.ts';
import { guideNames, readGuide } from './guides.ts';
import { runGuide } from './runner.ts';

/**
 * `make guide G=NAME`: follows that guide. Ends with 0 when all is as the page says, 1 when something is not, 2 when there is no
 * such guide, 77 when this machine has not what it needs, 130 or 143 when it was interrupted. Without a name it lists them.
 */
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const main = async (name: string | undefined, signal: AbortSignal): Promise<number> => {
  const names = await guideNames();
  if (name === undefined) {
    for (const each of names) say(`make guide G=${each.padEnd(20)} ${(await readGuide(each)).title}`);
    return 0;
  }
  if (!names.includes(name)) {
    process.stderr.write(`there is no guide "${name}"; there are: ${names.join(', ')}\n`);
    return 2;
  }
  const outcome = await runGuide(await readGuide(name), { write: say, signal });
  return { right: 0, wrong: 1, skipped: 77 }[outcome.kind];
};

const interrupt = new AbortController();
let interrupted = 0;
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => {
    interrupted = status;
    interrupt.abort();
  });
}
// Whoever reads this through `| head` has had enough; what was made is still cleaned up.
process.stdout.on('error', () => {
  interrupt.abort();
});

try {
  const status = await main(process.argv[2], interrupt.signal);
  process.exitCode = interrupted === 0 ? status : interrupted;
} catch (thrown) {
  process.stderr.write(`${toError(thrown).message}\n`);
  process.exitCode = 1;
}
