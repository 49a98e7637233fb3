import { nullLog } from '#platform/log/log.ts';
import type { Dataplane, ObservedNetwork, OwnedNetwork } from '../../model/host.ts';
import type { LocalPort } from '../../model/intent.ts';
import { OWN_ADDRESSES_ONLY } from '../../model/port-security.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import { HOST, NETWORK } from '../../testing/worlds.ts';
import { Later } from '../later.ts';
import type { EventLog } from '../event-log.ts';
import type { WorkerTools } from '../worker-ports.ts';

/** A port behind `tapN`. */
export const port = (n: number): LocalPort => ({
  portId: `0000000${n.toString()}-0000-4000-8000-000000000000`,
  device: `tap${n.toString()}`,
  mac: `fa:16:3e:00:00:0${n.toString()}` as LocalPort['mac'],
  ips: [],
  generation: 1n,
  security: OWN_ADDRESSES_ONLY,
});

/** A host whose steps are the devices of a network, and that can be made to wait or to fail. */
export class FakeDataplane implements Dataplane {
  readonly name = 'linuxbridge';
  /** Whether the network is on the host, and the devices that are in it. */
  isThere = false;
  readonly devices = new Set<string>();
  /** While it is there, nothing is done. */
  gate: Promise<void> | undefined;
  error: string | undefined;
  /** While it is there, nothing is seen; and how often somebody has begun to look. */
  fog: Promise<void> | undefined;
  looks = 0;

  devicesOf(): { bridge: string; tunnel: string } {
    return { bridge: 'br', tunnel: 'vx' };
  }
  isOwnDevice(): boolean {
    return false;
  }
  async observe(): Promise<ObservedNetwork> {
    this.looks += 1;
    await this.fog;
    return { rows: { fdb: new Map(), bridgeFdb: new Map(), neighbours: new Map(), flood: new Map() } };
  }
  async observeOwned(): Promise<ReadonlyMap<string, OwnedNetwork>> {
    const owned: OwnedNetwork = { networkId: NETWORK.networkId, devices: ['br'] };
    return Promise.resolve(new Map(this.isThere ? [[NETWORK.networkId, owned]] : []));
  }
  plan: Dataplane['plan'] = async (_host, { ports }) => {
    const missing = [...ports.values()].map(({ device }) => device).filter((device) => !this.devices.has(device));
    return Promise.resolve(this.isThere && missing.length === 0 ? [] : [step('plug', ...missing)]);
  };
  planChange: Dataplane['planChange'] = (_host, _intent, change) =>
    [...change.ports.values()].flatMap(({ before, after }) => [
      ...(before.local === undefined ? [] : [step('unplug', before.local.device)]),
      ...(after.local === undefined ? [] : [step('plug', after.local.device)]),
    ]);
  guardOf(): readonly Operation[] {
    return [];
  }
  async spoofedFrames(): Promise<ReadonlyMap<string, never>> {
    return Promise.resolve(new Map<string, never>());
  }

  planRemoval(): readonly Operation[] {
    return [step('remove')];
  }
  async apply(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]> {
    await this.gate;
    signal.throwIfAborted();
    return operations.map((operation) => {
      if (this.error !== undefined) return { operation, error: this.error };
      const { kind, argv } = operation;
      for (const device of argv) if (kind === 'plug') this.devices.add(device);
      for (const device of argv) if (kind === 'unplug') this.devices.delete(device);
      if (kind === 'remove') this.devices.clear();
      this.isThere = kind !== 'remove';
      return { operation };
    });
  }
  async *events(): AsyncGenerator<never, void> {
    await Promise.resolve();
  }
}

const step = (kind: string, ...argv: readonly string[]): Operation => ({ kind, key: kind, argv, reason: 'test' });

/** What a network's worker needs, with that host and nobody else. */
export const workerTools = (dataplane: FakeDataplane, events: EventLog): WorkerTools => ({
  host: HOST,
  dataplane,
  source: {
    snapshot: async () => Promise.resolve({ revision: 1n, entries: [] }),
    changesSince: async () => Promise.resolve([]),
    report: async () => Promise.resolve([]),
  },
  feed: {
    connected: true,
    flush: async () => Promise.resolve(),
    ack: () => undefined,
    subscribe: () => ({ [Symbol.asyncDispose]: async () => Promise.resolve() }),
  },
  states: { record: () => undefined, forget: () => undefined },
  events,
  observer: { withdrawn: () => undefined, assigned: () => undefined, audited: () => undefined },
  log: nullLog,
  later: new Later(),
  timing: { settleMs: 60_000, auditIntervalMs: 60_000, auditSpacingMs: 60_000, startGraceMs: 0 },
});
