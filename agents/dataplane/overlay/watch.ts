import { MonitorChild } from '../sys/monitor-child.ts';
import type { Switch } from './switch.ts';

/** What watching needs. */
export interface WatchTools {
  readonly ovs: Switch;
  /** Enters another network namespace. */
  readonly prefix: readonly string[];
  /** Whether a look is due when something happened to this device. */
  readonly concerns: (device: string) => boolean;
  /** Called often; must be cheap. */
  readonly heard: () => void;
}

// 5: docker0: <BROADCAST,…>    5: docker0    inet 10.1.0.1/16 …    Deleted 5: docker0@if4: <…>
const LINE = /^(?:Deleted )?\d+: (?<device>[^:@\s]+)/;

/** Hears of what happens to devices, addresses and Open vSwitch' database, from `start` to `stop`. */
export class HostWatch {
  readonly #tools: WatchTools;
  #monitor: MonitorChild | undefined;
  #database: Disposable | undefined;

  constructor(tools: WatchTools) {
    this.#tools = tools;
  }

  /** Resolves when it hears everything. Rejects with `unavailable` when iproute2 cannot be run. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#monitor !== undefined) return;
    const { ovs, prefix, concerns, heard } = this.#tools;
    const monitor = new MonitorChild(
      { argv: ['ip', '-o', 'monitor', 'link', 'address'], prefix },
      {
        line: (line) => {
          const device = LINE.exec(line)?.groups?.['device'];
          if (device !== undefined && concerns(device)) heard();
        },
        subscribed: heard,
        lost: heard,
      },
    );
    this.#monitor = monitor;
    this.#database = ovs.listen(heard);
    try {
      await monitor.start(signal);
    } catch (error) {
      this.#monitor = undefined;
      this.#database[Symbol.dispose]();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#database?.[Symbol.dispose]();
    await this.#monitor?.stop();
    this.#monitor = undefined;
  }
}
