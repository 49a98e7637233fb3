import { aborted } from '#platform/async/aborted.ts';
import { sleep } from '#platform/async/sleep.ts';
import { strangerNumber } from './flow-spec.ts';
import type { SwitchPorts } from './observed.ts';

const KNOWN_WITHIN_MS = 3_000;

interface Waiter {
  readonly devices: ReadonlySet<string>;
  readonly done: () => void;
}

/** The numbers that flows know the bridge's ports by, also those of ports that are gone, as long as no other has them. */
export class PortNumbers {
  #ports: SwitchPorts = new Map();
  readonly #last = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #waiters = new Set<Waiter>();

  /** Takes up what the switch's database now says; tells of devices whose flows point to another number than theirs. */
  update(ports: SwitchPorts): readonly string[] {
    this.#ports = ports;
    const renumbered: string[] = [];
    const displaced = new Map<string, number>();
    for (const { device, ofport } of ports.values()) {
      const last = this.#last.get(device) ?? displaced.get(device);
      if (ofport === undefined || ofport === last) continue;
      const former = this.#names.get(ofport);
      if (former !== undefined) {
        this.#last.delete(former);
        displaced.set(former, ofport);
      }
      if (last !== undefined) {
        if (this.#names.get(last) === device) this.#names.delete(last);
        renumbered.push(device);
      }
      this.#last.set(device, ofport);
      this.#names.set(ofport, device);
    }
    for (const waiter of this.#waiters) if (this.#areKnown(waiter.devices)) waiter.done();
    return renumbered;
  }

  /** The number of a port that is there. */
  now(device: string): number | undefined {
    return this.#ports.get(device)?.ofport;
  }

  /** The number of a port that is there, or was and is nobody else's; also of one that `nameOf` had no name for. */
  last(device: string): number | undefined {
    const stranger = strangerNumber(device);
    if (stranger !== undefined) return this.#names.has(stranger) ? undefined : stranger;
    return this.now(device) ?? this.#last.get(device);
  }

  nameOf(port: number): string | undefined {
    return this.#names.get(port);
  }

  /**
   * Resolves when the switch has numbered those of these that are its ports, or has said why it cannot; at the latest after a
   * while.
   */
  async known(devices: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    if (this.#areKnown(devices)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { devices, done: resolve };
    this.#waiters.add(waiter);
    using abort = aborted(signal);
    const enough = new AbortController();
    try {
      await Promise.race([promise, abort.promise, sleep(KNOWN_WITHIN_MS, enough.signal).catch(() => undefined)]);
    } finally {
      enough.abort();
      this.#waiters.delete(waiter);
    }
  }

  /** Why a device has no number. */
  complaint(device: string): string {
    const port = this.#ports.get(device);
    if (port === undefined) return `${device} is no port of the bridge`;
    return port.error ?? `ovs-vswitchd gave ${device} no number within ${(KNOWN_WITHIN_MS / 1_000).toString()} s`;
  }

  #areKnown(devices: ReadonlySet<string>): boolean {
    for (const device of devices) {
      const port = this.#ports.get(device);
      if (port !== undefined && port.ofport === undefined && port.error === undefined) return false;
    }
    return true;
  }
}
