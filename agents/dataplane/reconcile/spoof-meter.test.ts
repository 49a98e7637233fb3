import { afterEach, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import type { SpoofedFrames } from '../model/port-security.ts';
import { HOST, NETWORK } from '../testing/worlds.ts';
import { EventLog } from './event-log.ts';
import { spoofedFrames } from './metrics.ts';
import { Networks } from './networks.ts';
import { SpoofMeter } from './spoof-meter.ts';
import { FakeDataplane, port, workerTools } from './testing/fake-dataplane.ts';

const networks = new Networks(workerTools(new FakeDataplane(), new EventLog()));
const soon = (): AbortSignal => AbortSignal.timeout(2_000);

afterEach(async () => {
  await networks.stop();
});

test('what a port sends in vain is in the metrics by reason, once, also when its counters begin anew', async () => {
  const { device, portId } = port(1);
  await (await networks.hold(NETWORK)).pushAndWait({ kind: 'plug', port: port(1), cause: {} });
  let counts: SpoofedFrames = new Map();
  const dataplane = { spoofedFrames: async () => Promise.resolve(new Map([[device, counts]])) };
  const meter = new SpoofMeter({ host: HOST, dataplane, networks, log: nullLog, intervalMs: 60_000 });
  const counted = async (now: SpoofedFrames): Promise<readonly number[]> => {
    counts = now;
    expect(await meter.count(portId, soon())).toEqual(now);
    const of = { host: HOST.hostId, port: portId };
    return (['arp-sender', 'ipv4-source'] as const).map((reason) => spoofedFrames.value({ ...of, reason }));
  };
  expect(await counted(new Map())).toEqual([0, 0]);
  expect(await counted(new Map([['arp-sender', 3]]))).toEqual([3, 0]);
  expect(await counted(new Map([['arp-sender', 3]]))).toEqual([3, 0]);
  const more: SpoofedFrames = new Map([
    ['arp-sender', 5],
    ['ipv4-source', 1],
  ]);
  expect(await counted(more)).toEqual([5, 1]);
  // Somebody took the rules away, and they were written again.
  expect(await counted(new Map([['arp-sender', 2]]))).toEqual([7, 1]);
  await expect(meter.count(port(2).portId, soon())).rejects.toMatchObject({ code: 'not_found' });
});
