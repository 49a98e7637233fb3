import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** What a long ping saw. */
export interface Pinged {
  readonly sent: number;
  /** Without an answer, up to the last that had one. */
  readonly lost: number;
}

/** Pings from a guest, one packet each `intervalMs`, until stopped. */
export class Pinger implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #output: Promise<string>;

  constructor(lab: string, guest: string, address: string, intervalMs: number) {
    const argv = [
      'netns',
      'exec',
      `weft-${lab}-vm-${guest}`,
      'ping',
      '-n',
      '-i',
      (intervalMs / 1000).toString(),
      address,
    ];
    this.#child = spawn('ip', argv, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
    this.#output = text(this.#child.stdout);
  }

  /** Ends it and counts. */
  async stop(): Promise<Pinged> {
    this.#child.kill('SIGINT');
    const output = await this.#output;
    const sent = Number(/(?<sent>\d+) packets transmitted/.exec(output)?.groups?.['sent'] ?? 0);
    const answered = new Set([...output.matchAll(/icmp_seq=(\d+) .*time=/g)].map(([, sequence]) => Number(sequence)));
    const last = Math.max(0, ...answered);
    // The last one may be on its way; two are not.
    return { sent, lost: last - answered.size + (sent - last > 1 ? sent - last : 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#output;
  }
}
