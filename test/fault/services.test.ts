import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { agentKill9, agentStart, processKill9, processStart, signalProcess } from '../../cli/lab/index.ts';
import { TapMaker } from '../bench/taps.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { boundAsPlugged, brokenPromises, orphanLeases } from './support/acknowledged.ts';
import { Churn } from './support/churn.ts';
import { exactWithin } from './support/exact.ts';
import { CONTROL_PARTS, controlProcess, type ControlPart } from './support/lab-processes.ts';
import { Pinger } from './support/pinger.ts';
import { Random } from './support/random.ts';

/** From the last kill, or from the end of the last step that it delayed, to the last kernel being right. */
const WITHIN_MS = 15_000;

const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);
const rest = async (ms: number): Promise<void> => sleep(ms, soon());

describe('kill -9 of anything while ports come, move and go', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let taps: ReadonlyMap<string, TapMaker>;
  let network: Network;
  let far: Port;
  const used: { readonly busy: Network; readonly subnetId: string }[] = [];

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: 'fkill', hosts: 3, separate: true }));
    taps = new Map(weft.hosts.map((host) => [host, stack.use(new TapMaker(`weft-${weft.name}-${host}`))]));
    network = await weft.network();
    await weft.subnet(network, '172.16.0.0/16');
    const near = await weft.port(network);
    far = await weft.port(network);
    await weft.boot('near', 'h1', near, network);
    await weft.boot('far', 'h2', far, network);
    await weft.inSync(network.id, 2);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  /** Kills it; resolves when another is in its place. */
  const kill = async (what: string, random: Random): Promise<void> => {
    const part = CONTROL_PARTS.find((each) => each === what);
    if (part === undefined) {
      const agent = { lab: weft.name, host: what };
      await agentKill9(agent, soon());
      await rest(random.below(400));
      await agentStart(agent, soon());
    } else if (part === 'up') {
      await processKill9({ lab: weft.name, process: 'up' }, soon());
      await rest(random.below(200));
      await processStart({ lab: weft.name, process: 'up' }, soon());
    } else await killSupervised(part);
  };

  const killSupervised = async (part: ControlPart): Promise<void> => {
    const running = (): ReturnType<typeof controlProcess> => controlProcess(weft.name, part);
    await eventually(`${part} runs`, () => running() !== undefined, 10_000);
    const victim = running();
    if (victim === undefined) throw new Error(`${part} does not run`);
    expect(signalProcess(victim, 'SIGKILL')).toBe(true);
    await eventually(`${part} runs again`, () => ![undefined, victim.pid].includes(running()?.pid), 10_000);
  };

  test.each([
    ['the services', 1, ['ipam', 'topology', 'l2pop']],
    ['what they stand on', 2, ['redis-server', 'nats-server', 'up']],
    ['the agents', 3, ['h1', 'h2', 'h3']],
    ['all of them, two at a time', 4, ['ipam', 'topology', 'l2pop', 'redis-server', 'nats-server', 'h1', 'h2', 'h3']],
  ] as const)(
    '%s: what was acknowledged is true, and every kernel has exactly that',
    async (_title, seed, victims) => {
      const random = new Random(seed);
      const busy = await weft.network();
      const subnet = await weft.subnet(busy, '10.8.0.0/16');
      used.push({ busy, subnetId: subnet.id });
      await using pinger = new Pinger(weft.name, 'near', far.fixed_ips[0]?.ip_address ?? '', 10);
      await using churn = new Churn({ weft, network: busy, taps, random: new Random(seed), workers: 5, pauseMs: 20 });
      const kills = random.shuffled(seed === 4 ? victims : [...victims, ...victims]);
      const width = seed === 4 ? 2 : 1;
      for (let at = 0; at < kills.length; at += width) {
        await rest(150 + random.below(500));
        await Promise.all(kills.slice(at, at + width).map(async (what) => kill(what, random)));
      }
      const steps = churn.steps;
      await eventually('work goes on after the last kill', () => churn.steps > steps + 20, 20_000);
      await churn.stop();
      const end = performance.now() + WITHIN_MS;
      await boundAsPlugged(weft, busy, churn.places, end - performance.now());
      await exactWithin(weft, busy, end - performance.now());
      expect(await brokenPromises(weft, busy, subnet.id, churn)).toEqual([]);
      await weft.converged(busy.id, churn.places.size, Math.max(1, end - performance.now()));
      await exactWithin(weft, network, 2_000);
      const { sent, lost } = await pinger.stop();
      expect(sent).toBeGreaterThan(100);
      expect(lost).toBe(0);
      expect(churn.deleted.size).toBeGreaterThan(0);
    },
    90_000,
  );

  test('what was begun and never came to be gives its addresses back', async () => {
    const orphans = async (): Promise<readonly string[]> =>
      (await Promise.all(used.map(async ({ busy, subnetId }) => orphanLeases(weft, busy, subnetId)))).flat();
    // A creation that nobody is at is undone after 10 s.
    await expect.poll(orphans, { timeout: 15_000 }).toEqual([]);
  });
});
