import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Dataplane, ObservedNetwork, OwnedNetwork } from '../model/host.ts';
import type { LocalPort } from '../model/intent.ts';
import { OWN_ADDRESSES_ONLY } from '../model/port-security.ts';
import type { Operation, Outcome } from '../model/operation.ts';
import { HOST, NETWORK } from '../testing/worlds.ts';
import { EventLog } from './event-log.ts';
import { Networks } from './networks.ts';
import type { WorkerTools } from './worker-ports.ts';

const never = new AbortController().signal;

const port = (n: number): LocalPort => ({
  portId: `0000000${n.toString()}-0000-4000-8000-000000000000`,
  device: `tap${n.toString()}`,
  mac: `fa:16:3e:00:00:0${n.toString()}` as LocalPort['mac'],
  ips: [],
  generation: 1n,
  security: OWN_ADDRESSES_ONLY,
});

/** A host whose steps are the devices of a network, and that can be made to wait or to fail. */
class FakeDataplane implements Dataplane {
  readonly name = 'linuxbridge';
  /** Whether the network is on the host, and the devices that are in it. */
  isThere = false;
  readonly devices = new Set<string>();
  /** While it is there, nothing is done. */
  gate: Promise<void> | undefined;
  error: string | undefined;

  devicesOf(): { bridge: string; tunnel: string } {
    return { bridge: 'br', tunnel: 'vx' };
  }
  isOwnDevice(): boolean {
    return false;
  }
  async observe(): Promise<ObservedNetwork> {
    const rows = { fdb: new Map(), bridgeFdb: new Map(), neighbours: new Map(), flood: new Map() };
    return Promise.resolve({ rows });
  }
  async observeOwned(): Promise<ReadonlyMap<string, OwnedNetwork>> {
    const owned: OwnedNetwork = { networkId: NETWORK.networkId, devices: ['br'] };
    return Promise.resolve(new Map(this.isThere ? [[NETWORK.networkId, owned]] : []));
  }
  plan: Dataplane['plan'] = (_host, { ports }) => [
    step('plug', ...[...ports.values()].map(({ device }) => device).filter((device) => !this.devices.has(device))),
  ];
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

let dataplane: FakeDataplane;
let networks: Networks;
let events: EventLog;

beforeEach(() => {
  dataplane = new FakeDataplane();
  events = new EventLog();
  const tools: WorkerTools = {
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
    timing: { settleMs: 60_000, auditIntervalMs: 60_000, auditSpacingMs: 60_000, startGraceMs: 0 },
  };
  networks = new Networks(tools);
});

afterEach(async () => {
  await networks.stop();
});

const plug = async (n: number): Promise<void> => {
  await (await networks.hold(NETWORK)).pushAndWait({ kind: 'plug', port: port(n), cause: {} });
};
const unplug = async (n: number): Promise<void> => {
  await networks.get(NETWORK.networkId)?.pushAndWait({ kind: 'unplug', portId: port(n).portId, cause: {} });
  await networks.releaseIfEmpty(NETWORK.networkId);
};

test('a network is on the host from its first port to its last', async () => {
  await plug(1);
  await plug(2);
  expect(dataplane.devices).toEqual(new Set(['tap1', 'tap2']));
  await unplug(1);
  expect(dataplane.devices).toEqual(new Set(['tap2']));
  await unplug(2);
  expect(dataplane.isThere).toBe(false);
  expect(networks.get(NETWORK.networkId)).toBeUndefined();
  await plug(3);
  expect(dataplane.devices).toEqual(new Set(['tap3']));
});

test.each(Array.from({ length: 30 }, (_, n) => n))(
  'a port that comes as the last one goes is plugged, %d turns later',
  async (turns) => {
    await plug(1);
    const gate = Promise.withResolvers<void>();
    dataplane.gate = gate.promise;
    const going = unplug(1);
    gate.resolve();
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    // Told that the network is being given up, it is plugged into the next.
    await plug(2).catch(async () => plug(2));
    await going;
    expect(dataplane.devices).toEqual(new Set(['tap2']));
    expect([...(networks.get(NETWORK.networkId)?.table.ports.keys() ?? [])]).toEqual([port(2).portId]);
  },
);

test('whoever plugs into a network that is being given up is told, and plugs into the next', async () => {
  await plug(1);
  const worker = await networks.hold(NETWORK);
  await unplug(1);
  await expect(worker.pushAndWait({ kind: 'plug', port: port(2), cause: {} })).rejects.toMatchObject({
    code: 'unavailable',
  });
  await plug(2);
  expect(dataplane.devices).toEqual(new Set(['tap2']));
});

test('of a repair that failed is told when it is done after all', async () => {
  const told: string[] = [];
  const watching = new AbortController();
  const watch = (async () => {
    for await (const { kind, outcomes } of events.watch(watching.signal)) {
      if (kind === 'repair') told.push(outcomes?.map(({ error }) => error ?? 'done').join() ?? '');
    }
  })().catch(() => undefined);
  await plug(1);
  dataplane.devices.clear();
  dataplane.error = 'busy';
  await networks.get(NETWORK.networkId)?.audit('drift');
  expect(told).toEqual(['busy']);
  dataplane.error = undefined;
  await eventually('it is told', () => told.length > 1);
  expect(told).toEqual(['busy', 'done']);
  watching.abort();
  await watch;
});

describe('a removal that cannot be done', () => {
  test.each(['refused', 'out of reach'])('is done later: %s', async (how) => {
    await plug(1);
    const apply = dataplane.apply.bind(dataplane);
    if (how === 'out of reach')
      dataplane.apply = async (operations, signal) => {
        if (operations.some(({ kind }) => kind === 'remove')) throw new DomainError('unavailable', 'AWAY', 'away');
        return apply(operations, signal);
      };
    else dataplane.error = 'no';
    await unplug(1);
    expect(dataplane.isThere).toBe(true);
    expect(networks.hasStrays).toBe(true);
    await networks.removeStrays(never).catch(() => undefined);
    expect(networks.hasStrays).toBe(true);
    dataplane.apply = apply;
    dataplane.error = undefined;
    await networks.removeStrays(never);
    expect(dataplane.isThere).toBe(false);
    expect(networks.hasStrays).toBe(false);
  });
});
