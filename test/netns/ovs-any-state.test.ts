import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { arbitraryWorld, changeOf, DEVICES, HOST, intentOf } from '../../agents/dataplane/testing/worlds.ts';
import type { NetworkIntent } from '../../agents/dataplane/model/intent.ts';
import { commandOf } from '../../agents/dataplane/model/operation.ts';
import { wantedRows } from '../../agents/dataplane/plan/wanted-rows.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import { type OvsHost, startOvsHost } from '../support/ovs-host.ts';
import { allDone } from './overlay.ts';

const signal = AbortSignal.timeout(600_000);

let ovs: Ovs;
let host: OvsHost;

beforeAll(async () => {
  ovs = await startOvs({ name: 'wov-any' });
  for (const device of DEVICES) await ovs.namespace.must('ip', 'tuntap', 'add', 'dev', device, 'mode', 'tap');
  host = await startOvsHost(ovs, HOST);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await ovs[Symbol.asyncDispose]();
});

const expectRight = async (intent: NetworkIntent): Promise<void> => {
  const observed = await host.observe(intent);
  expect(observed.rows).toEqual(wantedRows(HOST, intent, undefined));
  expect(await host.plan(intent)).toEqual([]);
  expect(await host.dataplane.planShared(signal)).toEqual([]);
};

test('a real switch goes from any state to any other, by a look or by a change, and then nothing is left to do', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, async (first, second) => {
      // Whatever the run before left is where this one starts.
      await host.reconcile(intentOf(first));
      await expectRight(intentOf(first));
      const change = host.dataplane.planChange(HOST, intentOf(second), changeOf(first, second));
      allDone(await host.dataplane.apply(change, signal));
      await expectRight(intentOf(second));
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

/** All flows but those that watch for guests' checksums, which each agent writes anew. */
const dumped = async (): Promise<readonly string[]> =>
  (await ovs.ofctl('-O', 'OpenFlow15', '--no-stats', 'dump-flows', 'br-int'))
    .split('\n')
    .filter((line) => line.includes('cookie') && !line.includes('controller('));

test('another agent on the same switch finds all of it as it should be', async () => {
  const [world] = fc.sample(arbitraryWorld, 1);
  if (world === undefined) throw new Error('no world');
  await host.reconcile(intentOf(world));
  await host[Symbol.asyncDispose]();
  const before = await dumped();
  host = await startOvsHost(ovs, HOST);
  await expectRight(intentOf(world));
  expect(host.events.filter(({ kind }) => kind === 'repaired' || kind === 'wiped')).toEqual([]);
  expect(await dumped()).toEqual(before);
});

test('the commands that steps stand for, typed as they are, do what the steps do', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, async (first, second) => {
      await host.reconcile(intentOf(first));
      for (const operation of await host.plan(intentOf(second))) await ovs.typed(commandOf(operation));
      await expectRight(intentOf(second));
    }),
    { numRuns: 6, endOnFailure: true },
  );
});
