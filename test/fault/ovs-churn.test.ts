import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { agentKill9, agentStart, processKill9, processStart } from '../../cli/lab/index.ts';
import { tapOf, TapMaker } from '../bench/taps.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { boundAsPlugged, brokenPromises } from './support/acknowledged.ts';
import { Churn } from './support/churn.ts';
import { exactWithin } from './support/exact.ts';
import { Random } from './support/random.ts';

/** From the end of the last step to the last switch being right. */
const WITHIN_MS = 20_000;
/** A look that is due must not be what puts it right. */
const FLAGS = ['--audit-interval-ms', '600000', '--audit-spacing-ms', '1000', '--report-interval-ms', '2000'];

const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);
const rest = async (ms: number): Promise<void> => sleep(ms, soon());

describe('kill -9 of parts of Open vSwitch and of agents while ports come, move and go', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let taps: ReadonlyMap<string, TapMaker>;

  beforeAll(async () => {
    weft = stack.use(
      await LabWeft.up({ name: 'wov-churn', hosts: 3, drivers: ['linuxbridge', 'ovs', 'ovs'], agentFlags: FLAGS }),
    );
    taps = new Map(weft.hosts.map((host) => [host, stack.use(new TapMaker(`weft-${weft.name}-${host}`))]));
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  /** Kills and starts again, in a moment. */
  const kill = async (host: string, what: string, random: Random): Promise<void> => {
    const [lab, process] = [weft.name, what];
    if (what === 'agent') {
      await agentKill9({ lab, host }, soon());
      await rest(random.below(300));
      await agentStart({ lab, host }, soon());
      return;
    }
    await processKill9({ lab, host, process }, soon());
    await rest(random.below(300));
    await processStart({ lab, host, process }, soon());
  };

  test.each([
    ['none', 1, []],
    ['agents', 2, ['h2 agent', 'h3 agent', 'h2 agent', 'h1 agent']],
    ['ovs-vswitchd', 3, ['h2 ovs-vswitchd', 'h3 ovs-vswitchd', 'h2 ovs-vswitchd']],
    ['ovsdb-server', 4, ['h2 ovsdb-server', 'h3 ovsdb-server', 'h2 ovsdb-server']],
    [
      'all of them',
      5,
      ['h2 agent', 'h3 ovs-vswitchd', 'h2 ovsdb-server', 'h3 agent', 'h2 ovs-vswitchd', 'h3 ovsdb-server'],
    ],
  ] as const)(
    '%s: every port is where its tap is, and every switch has exactly that',
    async (_title, seed, victims) => {
      const random = new Random(seed);
      const busy = await weft.network();
      const subnet = await weft.subnet(busy, '10.8.0.0/16');
      await using churn = new Churn({ weft, network: busy, taps, random: new Random(seed), workers: 4, pauseMs: 30 });
      await rest(1_000);
      for (const victim of victims) {
        const [host = '', what = ''] = victim.split(' ');
        await rest(150 + random.below(500));
        await kill(host, what, random);
      }
      const steps = churn.steps;
      await eventually('work goes on after the last kill', () => churn.steps > steps + 20, 20_000);
      await churn.stop();
      const end = performance.now() + WITHIN_MS;
      await boundAsPlugged(weft, busy, churn.places, end - performance.now());
      await exactWithin(weft, busy, end - performance.now());
      expect(await brokenPromises(weft, busy, subnet.id, churn)).toEqual([]);
      await weft.converged(busy.id, churn.places.size, Math.max(1, end - performance.now()));
      for (const host of weft.hosts) {
        const agent = await weft.connections.agent(host);
        expect(await agent.plan({ network_id: '' })).toEqual({ operations: [] });
      }
      for (const [id, host] of churn.places) taps.get(host)?.remove([tapOf(id)]);
      await exactWithin(weft, busy, 10_000);
    },
    90_000,
  );
});
