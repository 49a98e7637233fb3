import { expect, test } from 'vitest';
import { NETWORK } from '../testing/worlds.ts';
import { onAnnotated } from './annotate.ts';
import { EventLog } from './event-log.ts';
import { Networks } from './networks.ts';
import { FakeDataplane, port, workerTools } from './testing/fake-dataplane.ts';

test('what was done for a change is told before what a look does next, with the time of the deed', async () => {
  const dataplane = new FakeDataplane();
  const networks = new Networks(workerTools(dataplane, new EventLog()));
  const worker = await networks.hold(NETWORK);
  await worker.pushAndWait({ kind: 'plug', port: port(1), cause: {} });
  const told: { readonly steps: readonly string[]; readonly time: number | undefined }[] = [];
  using _listening = onAnnotated((_span, outcomes, time) => {
    // Not of the snapshot, which brought nothing.
    if (outcomes.length > 0) told.push({ steps: outcomes.map(({ operation }) => operation.argv.join(' ')), time });
  });
  const before = Date.now();
  await worker.pushAndWait({ kind: 'plug', port: port(2), cause: {} });
  const after = Date.now();
  expect(told).toEqual([]);
  dataplane.devices.delete('tap1');
  await worker.audit('request');
  expect(told.map(({ steps }) => steps)).toEqual([['tap2'], ['tap1']]);
  expect(told[0]?.time).toBeGreaterThanOrEqual(before);
  expect(told[0]?.time).toBeLessThanOrEqual(after + 1);
  await networks.stop();
});
