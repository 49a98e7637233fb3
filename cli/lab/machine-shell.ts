import { randomUUID } from 'node:crypto';
import { createConnection } from 'node:net';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { RunResult } from './run.ts';

const CALL_MS = 300;

/** Quoted for the guest's shell, which is all that there is at the other end of a serial line. */
const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/**
 * Runs a command in a machine by its second serial line, whose socket this is, one at a time; stderr comes with stdout. Waits
 * for a machine that is still booting. Rejects with `deadline`, with `unavailable` when the machine ends meanwhile.
 */
export const runInMachine = async (
  socketPath: string,
  argv: readonly string[],
  deadlineMs: number,
  signal: AbortSignal,
): Promise<RunResult> => {
  const nonce = randomUUID();
  const mark = (name: string): string => `weft-${name}-${nonce}`;
  // The marks are put together by the shell, so that an echo of the line is none.
  const echo = (name: string): string => `echo weft-''${name}-${nonce}`;
  const socket = createConnection({ path: socketPath });
  const done = Promise.withResolvers<RunResult>();
  const unreachable = (why: string): void => {
    done.reject(new DomainError('unavailable', 'MACHINE_UNREACHABLE', `${argv.join(' ')}: ${why}`));
  };
  const abort = (): void => {
    done.reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  };
  const timer = setTimeout(() => {
    const why = `${argv.join(' ')} was not done in ${deadlineMs.toString()} ms`;
    done.reject(new DomainError('deadline', 'COMMAND_TOO_SLOW', why));
  }, deadlineMs);
  signal.addEventListener('abort', abort, { once: true });
  let said = '';
  let isHeard = false;
  // What was said before anybody listened is lost, in part: nothing of use is said until there is an answer.
  const call = (): void => {
    socket.write(`\n${echo('hello')}\n`);
  };
  const calling = setInterval(call, CALL_MS);
  const answer = new RegExp(`${mark('begin')}\\r?\\n([^]*)${mark('end')} (\\d+)`);
  socket
    .setEncoding('utf8')
    .on('connect', call)
    .on('data', (chunk: string) => {
      said += chunk;
      if (!isHeard && said.includes(mark('hello'))) {
        isHeard = true;
        clearInterval(calling);
        socket.write(`${echo('begin')}; ( ${argv.map(quoted).join(' ')} ) </dev/null 2>&1; ${echo('end')} $?\n`);
      }
      const found = answer.exec(said);
      if (found === null) return;
      const [, stdout = '', code = '255'] = found;
      done.resolve({ exitCode: Number(code), stdout: stdout.replaceAll('\r\n', '\n'), stderr: '' });
    })
    .on('error', (error) => {
      unreachable(error.message);
    })
    .on('close', () => {
      unreachable('the machine has ended');
    });
  try {
    return await done.promise;
  } finally {
    clearInterval(calling);
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
};
