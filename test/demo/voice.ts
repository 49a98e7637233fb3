import { run as weft } from '../../cli/run.ts';
import { labDown } from '../../cli/lab/index.ts';
import { toError } from '#platform/errors/domain-error.ts';

/** How a demo speaks, and what it holds true. */
export interface DemoVoice {
  readonly say: (line: string) => void;
  /** A step, with the time since the demo began. */
  readonly heading: (text: string) => void;
  /** Throws unless it holds. */
  readonly verify: (holds: boolean, what: string) => void;
  /** Shows and runs a command line of weft in the demo's lab; rejects when it fails. */
  readonly command: (...argv: readonly string[]) => Promise<void>;
}

const started = performance.now();
const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The voice of a demo in that lab; steps are numbered. */
export const demoVoice = (lab: string): DemoVoice => {
  let step = 0;
  return {
    say,
    heading: (text) => {
      step += 1;
      say(`\n[${seconds().padStart(5)} s] ${step.toString()}. ${text}`);
    },
    verify: (holds, what) => {
      if (!holds) throw new Error(`not so: ${what}`);
      say(`    ok  ${what}`);
    },
    command: async (...argv) => {
      say(`    $ weft ${argv.join(' ')}`);
      const code = await weft([...argv, '--lab', lab], process.stdout, process.stderr);
      if (code !== 0) throw new Error(`weft ${argv.join(' ')} ended with ${code.toString()}`);
    },
  };
};

/**
 * Runs demos one after another, each in the lab of its name, which is taken away whatever happens: before, since one that was cut
 * short leaves nothing in the way, after a failure, and when it is interrupted. Sets the exit code.
 */
export const runDemos = async (demos: Readonly<Record<string, () => Promise<void>>>): Promise<void> => {
  const clear = async (): Promise<void> => {
    for (const lab of Object.keys(demos)) await labDown(lab);
  };
  const interrupted = async (): Promise<void> => {
    process.stderr.write('\ninterrupted: taking the lab away\n');
    await clear();
    process.exit(130);
  };
  process.once('SIGINT', () => void interrupted());
  process.once('SIGTERM', () => void interrupted());
  try {
    await clear();
    for (const demo of Object.values(demos)) await demo();
    say(`\nthe demo is done in ${seconds()} s: every step was verified`);
  } catch (thrown) {
    process.stderr.write(`\nthe demo failed: ${toError(thrown).stack ?? ''}\n`);
    await clear();
    process.exitCode = 1;
  }
};
