import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Writable } from 'node:stream';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Makes and removes taps on a host through one long-lived `ip -batch -`: a hypervisor's part, at no cost of processes. */
export class TapMaker implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, null, null>;
  readonly #exited: Promise<unknown>;

  constructor(namespace: string) {
    this.#child = spawn('ip', ['-n', namespace, '-force', '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH, LC_ALL: 'C' },
    });
    this.#exited = new Promise((resolve) => this.#child.once('exit', resolve));
  }

  add(taps: readonly string[]): void {
    // Devices with one end in another namespace, as guests have them; a dummy or an unused tap would do as well.
    this.#child.stdin.write(taps.map((tap) => `tuntap add dev ${tap} mode tap\n`).join(''));
  }

  remove(taps: readonly string[]): void {
    this.#child.stdin.write(taps.map((tap) => `link delete dev ${tap}\n`).join(''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}

/** The device name of a port. */
export const tapOf = (portId: string): string => `tap${portId.slice(0, 11)}`;
