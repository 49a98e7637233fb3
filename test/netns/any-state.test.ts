import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryWorld, changeOf, DEVICES, HOST, intentOf } from '../../agents/dataplane/testing/worlds.ts';
import { wantedRows } from '../../agents/dataplane/plan/wanted-rows.ts';
import type { NetworkIntent } from '../../agents/dataplane/model/intent.ts';
import { Namespaces } from './namespaces.ts';
import { allDone, reconcile, signal, startHost } from './overlay.ts';
import type { Host } from './overlay.ts';

const expectRight = async (host: Host, intent: NetworkIntent): Promise<void> => {
  const observed = await host.dataplane.observe(intent, signal);
  const wanted = wantedRows(HOST, intent, 'vxlan-70');
  expect(observed.rows.fdb).toEqual(wanted.fdb);
  expect(observed.rows.bridgeFdb).toEqual(wanted.bridgeFdb);
  expect(observed.rows.neighbours).toEqual(wanted.neighbours);
  expect(observed.rows.flood).toEqual(wanted.flood);
  expect(await host.dataplane.plan(HOST, intent, observed)).toEqual([]);
};

test('the kernel goes from any state to any other, by a look or by a change, and then nothing is left to do', async () => {
  await using namespaces = new Namespaces();
  const namespace = await namespaces.add('a');
  for (const device of DEVICES)
    await namespace.must('ip', 'link', 'add', 'name', device, 'type', 'veth', 'peer', 'name', `p${device.slice(3)}`);
  await using host = await startHost(namespace, HOST.vtep);
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, async (first, second) => {
      // Whatever the run before left is where this one starts.
      await reconcile(host, intentOf(first));
      await expectRight(host, intentOf(first));
      allDone(
        await host.dataplane.apply(host.dataplane.planChange(HOST, intentOf(second), changeOf(first, second)), signal),
      );
      await expectRight(host, intentOf(second));
    }),
    { numRuns: 60, endOnFailure: true },
  );
});
