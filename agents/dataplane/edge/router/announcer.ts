import { sleep } from '#platform/async/sleep.ts';
import { HostCommands } from '../../sys/command.ts';
import type { CommandRunner } from '../../sys/command.ts';

/** An address that a device of a namespace has now. */
export interface Announced {
  readonly device: string;
  /** Without its prefix length. */
  readonly address: string;
}

/**
 * When the neighbours are told, after an address came: a switch may open its port late, and one frame may be lost. Milliseconds
 * between one time and the next.
 */
const PAUSES_MS = [0, 200, 800, 3_000];
/** A program per address and time, that lives for a second. */
const AT_ONCE = 16;

/** Tells neighbours by gratuitous ARP (RFC 5227 §3) and unsolicited advertisements (RFC 4861 §7.2.6) where an address is now. */
export class Announcer {
  readonly #commands: CommandRunner;
  readonly #halt = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(commands: CommandRunner = new HostCommands([], AT_ONCE)) {
    this.#commands = commands;
  }

  /** Begins to tell; what cannot be told is left, since neighbours find out by themselves in the end. */
  tell(namespace: string, addresses: readonly Announced[]): void {
    for (const each of addresses) {
      const told = this.#tell(namespace, each).catch(() => undefined);
      this.#running.add(told);
      void told.finally(() => {
        this.#running.delete(told);
      });
    }
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await Promise.all(this.#running);
  }

  async #tell(namespace: string, { device, address }: Announced): Promise<void> {
    const { signal } = this.#halt;
    const argv = address.includes(':')
      ? ['ndptool', '-t', 'na', '-U', '-i', device, '-T', address, 'send']
      : ['arping', '-q', '-A', '-c', '1', '-I', device, address];
    for (const pause of PAUSES_MS) {
      await sleep(pause, signal);
      // Waits a second for nothing: it is not waited for.
      const sent = this.#commands.run(['ip', 'netns', 'exec', namespace, ...argv], signal).catch(() => undefined);
      const known: Promise<void> = sent.then(() => undefined);
      this.#running.add(known);
      void known.finally(() => {
        this.#running.delete(known);
      });
    }
  }
}
