import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable } from 'node:stream';

/** A line of `ip -ts -o monitor` with its time in milliseconds since 1970, as the kernel's word reached the monitor. */
export interface Sighting {
  readonly host: string;
  readonly ms: number;
  readonly line: string;
}

const STAMP = /^\[(?<date>[0-9-]{10})T(?<time>[0-9:]{8})\.(?<micros>\d{6})\] (?<line>.*)$/;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What is measured must not wait for the observer, nor the observer's clock for what is measured. */
const NICENESS = -15;

interface Watched {
  readonly host: string;
  readonly child: ChildProcessByStdio<null, Readable, null>;
  text: string;
}

/**
 * Watches the kernels of hosts with iproute2 alone, beside weft: what weft says of itself is not asked. What the monitors
 * wrote is only kept until it is asked for, so that reading it takes no time from what is measured.
 */
export class KernelObserver implements AsyncDisposable {
  readonly #watched: Watched[] = [];

  watch(host: string, namespace: string): void {
    const argv = ['-n', namespace, '-ts', '-o', 'monitor', 'link', 'neigh'];
    const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH, LC_ALL: 'C', TZ: 'UTC' } });
    if (child.pid !== undefined) setPriority(child.pid, NICENESS);
    const watched: Watched = { host, child, text: '' };
    this.#watched.push(watched);
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      watched.text += chunk;
    });
  }

  /** What was seen since the last call, host by host in the order it was seen. */
  take(): readonly Sighting[] {
    return this.#watched.flatMap((watched) => {
      const end = watched.text.lastIndexOf('\n') + 1;
      const lines = watched.text.slice(0, end).split('\n');
      watched.text = watched.text.slice(end);
      return lines.flatMap((text) => {
        const groups = STAMP.exec(text)?.groups;
        if (groups === undefined) return [];
        const seconds = Date.parse(`${groups['date'] ?? ''}T${groups['time'] ?? ''}Z`);
        return [{ host: watched.host, ms: seconds + Number(groups['micros']) / 1000, line: groups['line'] ?? '' }];
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#watched.map(async ({ child }) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }),
    );
  }
}
