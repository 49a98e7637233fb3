import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { Dataplane } from '../model/host.ts';
import type { HostIdentity } from '../model/intent.ts';
import type { SpoofedFrames } from '../model/port-security.ts';
import { spoofedFrames } from './metrics.ts';
import type { Networks } from './networks.ts';

/** What it counts with. */
export interface SpoofMeterTools {
  readonly host: HostIdentity;
  readonly dataplane: Pick<Dataplane, 'spoofedFrames'>;
  readonly networks: Pick<Networks, 'all' | 'requirePort'>;
  readonly log: Log;
  readonly intervalMs: number;
}

/** Takes what the dataplane has dropped into the metrics, now and then and whenever somebody asks. */
export class SpoofMeter {
  readonly #tools: SpoofMeterTools;
  /** By port, as last read: counters begin anew when somebody takes them away. */
  #seen = new Map<string, SpoofedFrames>();

  constructor(tools: SpoofMeterTools) {
    this.#tools = tools;
  }

  /** Until `signal` aborts. */
  async keepCounting(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#tools;
    while (!signal.aborted) {
      await sleep(intervalMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#countAll(signal).catch((thrown: unknown) => {
        if (!signal.aborted) log.warn({ error: toError(thrown).message }, 'dropped frames not counted');
      });
    }
  }

  /** What a port that is plugged here has sent in vain. Rejects with `not_found` when it is not. */
  async count(portId: string, signal: AbortSignal): Promise<SpoofedFrames> {
    this.#tools.networks.requirePort(portId);
    await this.#countAll(signal);
    return this.#seen.get(portId) ?? new Map();
  }

  async #countAll(signal: AbortSignal): Promise<void> {
    const { host, dataplane, networks } = this.#tools;
    const ports = networks.all.flatMap(({ table }) => [...table.ports.values()]);
    const checked = ports.filter(({ security }) => security.enabled);
    if (checked.length === 0) {
      this.#seen.clear();
      return;
    }
    const found = await dataplane.spoofedFrames(
      checked.map(({ device }) => device),
      signal,
    );
    const before = this.#seen;
    this.#seen = new Map();
    for (const { portId, device } of checked) {
      const counts: SpoofedFrames = found.get(device) ?? new Map();
      this.#seen.set(portId, counts);
      for (const [reason, count] of counts) {
        const known = before.get(portId)?.get(reason) ?? 0;
        const more = count >= known ? count - known : count;
        if (more > 0) spoofedFrames.add(more, { host: host.hostId, port: portId, reason });
      }
    }
  }
}
