import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { NETWORK } from '../testing/worlds.ts';
import { EventLog } from './event-log.ts';
import { Networks } from './networks.ts';
import type { NetworkWorker } from './network-worker.ts';
import { FakeDataplane, port, workerTools } from './testing/fake-dataplane.ts';

let dataplane: FakeDataplane;
let networks: Networks;
let worker: NetworkWorker;
let repairs: string[][];
let watching: AbortController;

beforeEach(async () => {
  dataplane = new FakeDataplane();
  const events = new EventLog();
  const tools = workerTools(dataplane, events);
  networks = new Networks({ ...tools, timing: { ...tools.timing, settleMs: 1, auditSpacingMs: 1 } });
  repairs = [];
  watching = new AbortController();
  (async () => {
    for await (const { kind, outcomes } of events.watch(watching.signal))
      if (kind === 'repair') repairs.push((outcomes ?? []).flatMap(({ operation }) => operation.argv));
  })().catch(() => undefined);
  worker = await networks.hold(NETWORK);
  await plug(1);
});

afterEach(async () => {
  watching.abort();
  await networks.stop();
});

const plug = async (n: number): Promise<void> => worker.pushAndWait({ kind: 'plug', port: port(n), cause: {} });

/** A look at the host has begun; it sees nothing until the returned is called. */
const lookInFog = async (): Promise<() => void> => {
  await eventually('it has been looked at', () => dataplane.looks > 1);
  const { promise, resolve } = Promise.withResolvers<undefined>();
  dataplane.fog = promise.then(() => undefined);
  const before = dataplane.looks;
  worker.suspect('drift');
  await eventually('somebody looks', () => dataplane.looks > before);
  return () => {
    dataplane.fog = undefined;
    resolve(undefined);
  };
};

test('a port that comes while the host is looked at does not wait for that, and is no drift', async () => {
  const clear = await lookInFog();
  const looks = dataplane.looks;
  await plug(2);
  expect(dataplane.devices).toEqual(new Set(['tap1', 'tap2']));
  expect(dataplane.looks).toBe(looks);
  clear();
  await eventually('the port is looked at', () => dataplane.looks > looks);
  expect(repairs).toEqual([]);
  expect(worker.driftRepaired).toBe(0);
});

test('what a look found is not acted on when something came meanwhile: it is looked at again, alone', async () => {
  const clear = await lookInFog();
  await plug(2);
  dataplane.devices.delete('tap1');
  const looks = dataplane.looks;
  const second = Promise.withResolvers<undefined>();
  clear();
  dataplane.fog = second.promise.then(() => undefined);
  await eventually('it is looked at again', () => dataplane.looks > looks);
  expect(repairs).toEqual([]);
  const third = plug(3);
  await Promise.race([third, new Promise((resolve) => setTimeout(resolve, 30))]);
  expect(dataplane.devices).toEqual(new Set(['tap2']));
  dataplane.fog = undefined;
  second.resolve(undefined);
  await third;
  await eventually('it is told', () => repairs.length > 0);
  expect(repairs).toEqual([['tap1']]);
  expect(dataplane.devices).toEqual(new Set(['tap1', 'tap2', 'tap3']));
});

test('a change that fails while the host is looked at is tried again, whatever the look saw', async () => {
  const clear = await lookInFog();
  dataplane.error = 'busy';
  await plug(2);
  clear();
  await eventually('it is tried again', () => worker.isFailing && dataplane.looks > 3);
  dataplane.error = undefined;
  await eventually('it is done', () => dataplane.devices.has('tap2') && !worker.isFailing);
});
