import { MonitorChild } from '../../sys/monitor-child.ts';

/** `nft` says nothing when it listens; it does within this. */
const SETTLE_MS = 100;

/** Hears of changes to the nftables of namespaces, by one `nft monitor` in each, from `on` to `off`. */
export class TableWatch {
  readonly #heard: (id: string) => void;
  readonly #monitors = new Map<string, MonitorChild>();

  /** `heard` is called with the id that was given; often, so that it must be cheap. */
  constructor(heard: (id: string) => void) {
    this.#heard = heard;
  }

  /** Does nothing when it listens there already. */
  on(id: string, namespace: string, signal: AbortSignal): void {
    if (this.#monitors.has(id)) return;
    const heard = (): void => {
      if (this.#monitors.get(id) === monitor) this.#heard(id);
    };
    const monitor: MonitorChild = new MonitorChild(
      { argv: ['nft', 'monitor'], prefix: ['ip', 'netns', 'exec', namespace], settleMs: SETTLE_MS, gatherMs: 20 },
      { line: heard, subscribed: heard, lost: heard },
    );
    this.#monitors.set(id, monitor);
    monitor.start(signal).catch(() => {
      // The next look tries again; until then the one now and then has to do.
      if (this.#monitors.get(id) === monitor) this.#monitors.delete(id);
    });
  }

  /** A process in a namespace keeps it: nothing of it is there afterwards. */
  async off(id: string): Promise<void> {
    const monitor = this.#monitors.get(id);
    this.#monitors.delete(id);
    await monitor?.stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#monitors.keys()].map(async (id) => this.off(id)));
  }
}
