import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** A line of `ip -ts -o monitor` with its time in milliseconds since 1970, as the kernel's word reached the monitor. */
export interface Sighting {
  readonly host: string;
  readonly ms: number;
  readonly line: string;
}

const STAMP = /^\[(?<date>[0-9-]{10})T(?<time>[0-9:]{8})\.(?<micros>\d{6})\] (?<line>.*)$/;

/** Watches the kernels of hosts with iproute2 alone, beside weft: what weft says of itself is not asked. */
export class KernelObserver implements AsyncDisposable {
  readonly #children: ChildProcessByStdio<null, Readable, null>[] = [];
  readonly #onSighting: (sighting: Sighting) => void;

  constructor(onSighting: (sighting: Sighting) => void) {
    this.#onSighting = onSighting;
  }

  watch(host: string, namespace: string): void {
    const argv = ['-n', namespace, '-ts', '-o', 'monitor', 'link', 'neigh'];
    const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...BARE, LC_ALL: 'C', TZ: 'UTC' } });
    this.#children.push(child);
    createInterface({ input: child.stdout }).on('line', (text) => {
      const groups = STAMP.exec(text)?.groups;
      if (groups === undefined) return;
      const seconds = Date.parse(`${groups['date'] ?? ''}T${groups['time'] ?? ''}Z`);
      this.#onSighting({ host, ms: seconds + Number(groups['micros']) / 1000, line: groups['line'] ?? '' });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }),
    );
  }
}

const BARE = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
