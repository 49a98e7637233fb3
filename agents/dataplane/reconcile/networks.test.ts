import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { NETWORK } from '../testing/worlds.ts';
import { EventLog } from './event-log.ts';
import { Networks } from './networks.ts';
import { FakeDataplane, port, workerTools } from './testing/fake-dataplane.ts';

const never = new AbortController().signal;

let dataplane: FakeDataplane;
let networks: Networks;
let events: EventLog;

beforeEach(() => {
  dataplane = new FakeDataplane();
  events = new EventLog();
  networks = new Networks(workerTools(dataplane, events));
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
