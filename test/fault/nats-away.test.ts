import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { signalProcess } from '../../cli/lab/index.ts';
import { TapMaker } from '../bench/taps.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { boundAsPlugged, brokenPromises, orphanLeases } from './support/acknowledged.ts';
import { Churn } from './support/churn.ts';
import { exactWithin } from './support/exact.ts';
import { controlProcess } from './support/lab-processes.ts';
import { Pinger } from './support/pinger.ts';
import { Random } from './support/random.ts';

const AWAY_MS = 30_000;
const KILLING_MS = 10_000;
/** Until every kernel is as it must be. */
const BACK_WITHIN_MS = 5_000;
/** Until l2pop knows that, too. */
const REPORTED_WITHIN_MS = 12_000;

describe('nats-server away while ports come and go', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let taps: ReadonlyMap<string, TapMaker>;
  let network: Network;
  let far: Port;

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: 'fnats', hosts: 3, separate: true }));
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

  /** Traffic between the guests, from now until it is stopped. */
  const traffic = (): Pinger => new Pinger(weft.name, 'near', far.fixed_ips[0]?.ip_address ?? '', 10);

  /** From now on: everything that was acknowledged is true and every kernel has exactly it. */
  const wholeWithin = async (busy: Network, subnetId: string, churn: Churn, withinMs: number): Promise<void> => {
    const end = performance.now() + withinMs;
    await boundAsPlugged(weft, busy, churn.places, end - performance.now());
    await exactWithin(weft, busy, end - performance.now());
    // An acknowledgement that went under is made good by the host's next report.
    await weft.converged(busy.id, churn.places.size, REPORTED_WITHIN_MS);
    expect(await brokenPromises(weft, busy, subnetId, churn)).toEqual([]);
    expect(await orphanLeases(weft, busy, subnetId)).toEqual([]);
    await exactWithin(weft, network, 1_000);
  };

  test('silent for 30 s: traffic flows, calls are answered, and all is right within 5 s of its return', async () => {
    const busy = await weft.network();
    const subnet = await weft.subnet(busy, '10.8.0.0/16');
    await using churn = new Churn({ weft, network: busy, taps, random: new Random(1), workers: 4, pauseMs: 60 });
    await eventually('ports come and go', () => churn.steps > 60, 10_000);
    const nats = controlProcess(weft.name, 'nats-server');
    if (nats === undefined) throw new Error('nats-server does not run');
    signalProcess(nats, 'SIGSTOP');
    const before = churn.steps;
    await using pinger = traffic();
    await sleep(AWAY_MS, AbortSignal.timeout(60_000));
    // Stopped while it is still away, so that what is then there is what must be there.
    await churn.stop();
    expect(churn.steps - before).toBeGreaterThan(200);
    signalProcess(nats, 'SIGCONT');
    await wholeWithin(busy, subnet.id, churn, BACK_WITHIN_MS);
    const { sent, lost } = await pinger.stop();
    expect(lost).toBe(0);
    expect(sent).toBeGreaterThan(AWAY_MS / 40);
    expect(controlProcess(weft.name, 'nats-server')?.pid).toBe(nats.pid);
  }, 90_000);

  test('killed whenever it comes back, for 10 s: the same', async () => {
    const busy = await weft.network();
    const subnet = await weft.subnet(busy, '10.9.0.0/16');
    await using churn = new Churn({ weft, network: busy, taps, random: new Random(2), workers: 4, pauseMs: 40 });
    await using pinger = traffic();
    const end = performance.now() + KILLING_MS;
    let kills = 0;
    let last = 0;
    while (performance.now() < end) {
      const nats = controlProcess(weft.name, 'nats-server');
      if (nats !== undefined && nats.pid !== last) {
        await sleep(kills * 60, AbortSignal.timeout(10_000));
        signalProcess(nats, 'SIGKILL');
        last = nats.pid;
        kills += 1;
      }
      await sleep(20, AbortSignal.timeout(1_000));
    }
    await churn.stop();
    expect(kills).toBeGreaterThan(2);
    await eventually(
      'it is back',
      () => ![undefined, last].includes(controlProcess(weft.name, 'nats-server')?.pid),
      10_000,
    );
    await wholeWithin(busy, subnet.id, churn, BACK_WITHIN_MS);
    const { sent, lost } = await pinger.stop();
    expect(lost).toBe(0);
    expect(sent).toBeGreaterThan(KILLING_MS / 40);
  }, 90_000);
});
