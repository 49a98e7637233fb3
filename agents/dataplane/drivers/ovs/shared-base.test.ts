import { expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import type { Outcome } from '../../model/operation.ts';
import { SharedBase, type SharedBaseTools } from './shared-base.ts';
import { FakeSwitch } from './testing/fake-switch.ts';

const vtep = { hostId: 'h1', address: parseUnicastIp('address', '192.0.2.11'), udpPort: 4789 };
const site = { host: { hostId: 'h1', vtep }, bridge: 'br-int' };

const toolsOf = (ovs: FakeSwitch): SharedBaseTools => ({
  ...{ site, datapath: 'netdev', view: ovs.view, log: nullLog },
  flowsAreReached: () => true,
  flows: async (cookie) => Promise.resolve(ovs.flows.filter((flow) => flow.cookie === cookie)),
  apply: async (operations) => await ovs.apply(operations),
  onSettled: () => undefined,
});

test('what a slow switch is being told is told by nobody else meanwhile', async () => {
  const ovs = new FakeSwitch(site.bridge);
  const errors: string[] = [];
  let working = 0;
  let most = 0;
  const base = new SharedBase({
    ...toolsOf(ovs),
    apply: async (operations, signal) => {
      working += 1;
      most = Math.max(most, working);
      const outcomes: Outcome[] = [];
      for (const operation of operations) {
        await sleep(80, signal);
        outcomes.push(...(await ovs.apply([operation])));
        // As each change of the database does.
        base.suspect();
      }
      working -= 1;
      errors.push(...outcomes.flatMap(({ error }) => error ?? []));
      return outcomes;
    },
  });
  try {
    // The bridge and its tunnel, then what is under them.
    await base.settle(AbortSignal.timeout(10_000));
    await base.settle(AbortSignal.timeout(10_000));
    expect({ errors, most }).toEqual({ errors: [], most: 1 });
    expect(await base.plan(AbortSignal.timeout(1_000))).toEqual([]);
  } finally {
    await base.stop();
  }
});

test('what changes behind a look is looked at soon after it, not when the next one is due', async () => {
  const ovs = new FakeSwitch(site.bridge);
  let looks = 0;
  const tools = toolsOf(ovs);
  const base = new SharedBase({
    ...tools,
    flows: async (cookie, signal) => {
      // The database has been read, and what is read of the flows has just left the switch.
      if (looks === 1) base.suspect();
      return await tools.flows(cookie, signal);
    },
    onSettled: () => {
      looks += 1;
    },
  });
  try {
    await base.settle(AbortSignal.timeout(10_000));
    base.ensure();
    await eventually('a look for what was suspected', () => looks === 3, 1_000);
  } finally {
    await base.stop();
  }
});
