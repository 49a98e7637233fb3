import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import { Port as PortMessage, WatchKind, type Network, type Port } from '#proto/weft/topology/v1/topology.ts';
import { processKill9, signalProcess } from '../../cli/lab/index.ts';
import { tapOf, TapMaker } from '../bench/taps.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { boundAsPlugged, brokenPromises, orphanLeases } from './support/acknowledged.ts';
import { Churn } from './support/churn.ts';
import { exactWithin } from './support/exact.ts';
import { controlProcess } from './support/lab-processes.ts';
import { Random } from './support/random.ts';
import { firstReplica, secondOf, startSecondReplica, type Replica } from './support/replicas.ts';

const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);

describe('two replicas of each service at once', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let taps: ReadonlyMap<string, TapMaker>;
  let replicas: readonly [Replica, Replica];

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: 'fpair', hosts: 2, separate: true }));
    taps = new Map(weft.hosts.map((host) => [host, stack.use(new TapMaker(`weft-${weft.name}-${host}`))]));
    replicas = [stack.use(firstReplica(weft)), stack.use(await startSecondReplica(weft, soon(60_000)))];
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const replica = (index: number): Replica => replicas[index % 2 === 0 ? 0 : 1];
  const creation = (network: Network, wish: Partial<Port> = {}, request_id: string = randomUUID()) => ({
    port: PortMessage.fromPartial({ network_id: network.id, ...wish }),
    request_id,
    validate_only: false,
  });
  const reasons = (outcomes: readonly PromiseSettledResult<unknown>[]): readonly string[] =>
    outcomes.flatMap((each) => {
      if (each.status === 'fulfilled') return [];
      return [each.reason instanceof DomainError ? each.reason.reason : String(each.reason)];
    });

  test('one request sent to both is done once and answered alike; another body under its id is refused', async () => {
    const network = await weft.network();
    await weft.subnet(network, '10.1.0.0/24');
    for (let round = 0; round < 10; round += 1) {
      const request = creation(network);
      const answers = await Promise.all(
        Array.from({ length: 6 }, async (_, at) => replica(at).topology.createPort(request)),
      );
      expect(new Set(answers.map((port) => JSON.stringify(port))).size).toBe(1);
      const other = creation(network, { name: 'other' }, request.request_id);
      await expect(replica(round).topology.createPort(other)).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    }
    const { ports } = await replicas[1].topology.listPorts({
      network_id: network.id,
      binding_host_id: '',
      name: '',
      page_size: 0,
      page_token: '',
    });
    expect(ports).toHaveLength(10);
  });

  test('of a subnet with 29 addresses 29 of 40 ports get one each, whoever is asked', async () => {
    const network = await weft.network();
    const subnet = await weft.subnet(network, '10.2.0.0/27');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, async (_, at) => replica(at).topology.createPort(creation(network))),
    );
    const made = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(reasons(outcomes)).toEqual(Array.from({ length: 11 }, () => 'SUBNET_FULL'));
    expect(new Set(made.map(({ fixed_ips }) => fixed_ips[0]?.ip_address)).size).toBe(29);
    expect(await brokenPromises(weft, network, subnet.id, { ports: made, deleted: new Set() })).toEqual([]);
    await expect.poll(async () => orphanLeases(weft, network, subnet.id), { timeout: 5_000 }).toEqual([]);
  });

  test('a chosen address, a chosen MAC address and a chosen VNI have one winner', async () => {
    const network = await weft.network();
    const subnet = await weft.subnet(network, '10.3.0.0/24');
    const eight = Array.from({ length: 8 }, (_, at) => at);
    const address = { subnet_id: subnet.id, ip_address: '10.3.0.77' };
    const byAddress = await Promise.allSettled(
      eight.map(async (at) => replica(at).topology.createPort(creation(network, { fixed_ips: [address] }))),
    );
    expect(reasons(byAddress)).toEqual(Array.from({ length: 7 }, () => 'ADDRESS_IN_USE'));
    const byMac = await Promise.allSettled(
      eight.map(async (at) => replica(at).topology.createPort(creation(network, { mac_address: 'fa:16:3e:77:77:77' }))),
    );
    expect(reasons(byMac)).toEqual(Array.from({ length: 7 }, () => 'MAC_ADDRESS_IN_USE'));
    const byOwner = await Promise.allSettled(
      eight.map(async (at) =>
        replica(at).ipam.allocateSegment({
          network_type: NetworkType.NETWORK_TYPE_VXLAN,
          physical_network: '',
          owner_id: `owner-${at.toString()}`,
          segmentation_id: 7_777,
          request_id: randomUUID(),
          validate_only: false,
        }),
      ),
    );
    expect(reasons(byOwner)).toEqual(Array.from({ length: 7 }, () => 'SEGMENT_IN_USE'));
  });

  test('an update on one with the etag of the other has one winner', async () => {
    const network = await weft.network();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, async (_, at) =>
        replica(at).topology.updateNetwork({
          network: { ...network, name: `name-${at.toString()}` },
          update_mask: ['name'],
          request_id: randomUUID(),
          validate_only: false,
        }),
      ),
    );
    expect(reasons(outcomes)).toEqual(Array.from({ length: 7 }, () => 'ETAG_MISMATCH'));
  });

  test('what one does the other tells: watches, waits and tables', async () => {
    const network = await weft.network();
    await weft.subnet(network, '10.4.0.0/24');
    const watching = new AbortController();
    const seen = new Set<string>();
    const ready = Promise.withResolvers<undefined>();
    const watch = (async () => {
      const stream = replicas[1].topology.watch(
        { kinds: ['RESOURCE_KIND_PORT'], resume_token: '' },
        { signal: watching.signal },
      );
      for await (const { kind, resource } of stream) {
        if (kind === WatchKind.WATCH_KIND_BOOKMARK) ready.resolve(undefined);
        if (kind === WatchKind.WATCH_KIND_CREATED && resource?.$case === 'port') seen.add(resource.value.id);
      }
    })().catch(() => undefined);
    await ready.promise;
    const ports = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => replica(at).topology.createPort(creation(network))),
    );
    await eventually('the watch tells of all', () => ports.every(({ id }) => seen.has(id)), 5_000);
    watching.abort();
    await watch;
    taps.get('h1')?.add(ports.slice(0, 10).map(({ id }) => tapOf(id)));
    taps.get('h2')?.add(ports.slice(10).map(({ id }) => tapOf(id)));
    await eventually(
      'all are in the table',
      async () => (await replicas[1].l2pop.getNetworkState({ network_id: network.id })).entry_count === 20,
      5_000,
    );
    for (const { l2pop } of replicas) {
      const { revision } = await l2pop.getNetworkState({ network_id: network.id });
      let converged = false;
      for await (const answer of l2pop.waitForConvergence({
        network_id: network.id,
        revision,
        timeout: { seconds: '5', nanos: 0 },
      })) {
        converged = answer.converged;
      }
      expect(converged).toBe(true);
    }
    const [one, two] = await Promise.all(
      replicas.map(async ({ l2pop }) =>
        l2pop.listForwardingEntries({ network_id: network.id, page_size: 0, page_token: '' }),
      ),
    );
    expect(one).toEqual(two);
    await exactWithin(weft, network, 5_000);
  });

  test('one of each is killed while both are called: what was acknowledged is true and every kernel is right', async () => {
    const network = await weft.network();
    const subnet = await weft.subnet(network, '10.5.0.0/16');
    const random = new Random(7);
    const clients = replicas.map(({ topology }) => topology);
    await using churn = new Churn({ weft, network, taps, random, workers: 5, pauseMs: 15, replicas: clients });
    for (const service of ['topology', 'l2pop', 'ipam'] as const) {
      await sleep(700, soon());
      // One of the lab's own, which comes back, then one of the second, which does not.
      const first = controlProcess(weft.name, service);
      if (first !== undefined) signalProcess(first, 'SIGKILL');
      await sleep(1_500, soon());
      await processKill9({ lab: weft.name, process: secondOf(service) }, soon());
    }
    const { steps } = churn;
    await eventually('work goes on', () => churn.steps > steps + 20, 10_000);
    await churn.stop();
    await boundAsPlugged(weft, network, churn.places, 10_000);
    await exactWithin(weft, network, 10_000);
    expect(await brokenPromises(weft, network, subnet.id, churn)).toEqual([]);
    expect(churn.deleted.size).toBeGreaterThan(0);
    await expect.poll(async () => orphanLeases(weft, network, subnet.id), { timeout: 15_000 }).toEqual([]);
  }, 60_000);
});
