import { randomUUID } from 'node:crypto';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseUuid } from '#platform/net/names.ts';
import { TopologyEvent } from '#proto/weft/event/v1/event.ts';
import { Network, Port, ResourceKind, WatchKind, type WatchResponse } from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import { hostNamed, makeNetwork, makePort, plainly, register, tapReport } from './testing/messages.ts';
import { openStage, type Stage, type TopologyClient } from './testing/stage.ts';

let stage: Stage;
let one: TopologyClient;
let two: TopologyClient;
let bus: NatsConnection;

beforeAll(async () => {
  stage = await openStage(2);
  const [first, second] = stage.clients;
  if (first === undefined || second === undefined) throw new Error('two replicas were asked for');
  [one, two] = [first, second];
  bus = await connect({ servers: stage.nats.url });
});

afterAll(async () => {
  await bus.close();
  await stage[Symbol.asyncDispose]();
});

/** Events of one resource, as the stream has them, once there are `count`. */
const eventsOf = async (kind: string, id: string, count: number): Promise<readonly TopologyEvent[]> => {
  const consumer = await jetstream(bus).consumers.get('WEFT_TOPOLOGY', {
    deliver_policy: DeliverPolicy.All,
    filter_subjects: `weft.topology.${kind}.${id}`,
  });
  const messages = await consumer.consume();
  const events: TopologyEvent[] = [];
  const timer = setTimeout(() => {
    messages.stop();
  }, 5_000);
  for await (const message of messages) {
    events.push(TopologyEvent.decode(message.data));
    if (events.length === count) break;
  }
  clearTimeout(timer);
  return events;
};

describe('networks', () => {
  test('are created, read, listed by pages, changed by a mask and deleted, through either replica', async () => {
    const name = `pages ${randomUUID()}`;
    const made = await Promise.all([1, 2, 3, 4, 5].map((at) => makeNetwork(at % 2 === 0 ? one : two, { name })));
    expect(new Set(made.map((network) => network.segmentation_id)).size).toBe(5);
    const [first] = made;
    if (first === undefined) throw new Error('no network');
    expect(first).toMatchObject({ network_type: NetworkType.NETWORK_TYPE_VXLAN, mtu: 1_450, admin_state_up: true });
    expect(first).toMatchObject({ status: 'STATUS_ACTIVE', revision_number: '1' });
    expect(await two.getNetwork({ id: first.id })).toEqual(first);

    const listed: Network[] = [];
    let token = '';
    do {
      const page = await two.listNetworks({ name, page_size: 2, page_token: token });
      expect(page.networks.length).toBeLessThanOrEqual(2);
      listed.push(...page.networks);
      token = page.next_page_token;
    } while (token !== '');
    expect(listed.map(({ id }) => id)).toEqual(made.map(({ id }) => id).sort());

    const wanted = Network.fromPartial({ id: first.id, etag: first.etag, mtu: 1_400, name: 'ignored' });
    const changed = await one.updateNetwork({ network: wanted, update_mask: ['mtu'], ...plainly });
    expect(changed).toMatchObject({ name, mtu: 1_400, revision_number: '2' });
    await expect(two.updateNetwork({ network: wanted, update_mask: ['mtu'], ...plainly })).rejects.toMatchObject({
      code: 'conflict',
      reason: 'ETAG_MISMATCH',
    });
    await expect(one.deleteNetwork({ id: first.id, etag: first.etag, ...plainly })).rejects.toMatchObject({
      reason: 'ETAG_MISMATCH',
    });
    for (const { id } of made) await one.deleteNetwork({ id, etag: '', ...plainly });
    await expect(two.getNetwork({ id: first.id })).rejects.toMatchObject({
      code: 'not_found',
      reason: 'NETWORK_NOT_FOUND',
    });
    const events = await eventsOf('network', first.id, 3);
    expect(events.map(({ kind, cause }) => [kind, cause])).toEqual([
      ['CHANGE_KIND_CREATED', 'CreateNetwork'],
      ['CHANGE_KIND_UPDATED', 'UpdateNetwork'],
      ['CHANGE_KIND_DELETED', 'DeleteNetwork'],
    ]);
    expect(stage.ipam.segments.size).toBe(0);
  });

  test('are created once per request id, though both replicas are asked at once', async () => {
    const request = { network: Network.fromPartial({ name: 'once' }), request_id: randomUUID(), validate_only: false };
    const answers = await Promise.all([one, two, one, two].map((replica) => replica.createNetwork(request)));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await two.createNetwork(request)).toEqual(answers[0]);
    const other = { ...request, network: Network.fromPartial({ name: 'twice' }) };
    await expect(one.createNetwork(other)).rejects.toMatchObject({ code: 'invalid', reason: 'REQUEST_ID_REUSED' });
    const id = answers[0]?.id ?? '';
    const removal = { id, etag: '', request_id: randomUUID(), validate_only: false };
    const removals = await Promise.allSettled([one.deleteNetwork(removal), two.deleteNetwork(removal)]);
    // Who came while the other was at it is told to try again.
    for (const refused of removals.filter((outcome) => outcome.status === 'rejected')) {
      expect(refused.reason).toMatchObject({ code: 'conflict' });
    }
    await one.deleteNetwork(removal);
    await expect(one.getNetwork({ id })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('are only checked where that is all that is asked for', async () => {
    const checked = await one.createNetwork({
      network: Network.fromPartial({ name: 'checked' }),
      request_id: '',
      validate_only: true,
    });
    await expect(one.getNetwork({ id: checked.id })).rejects.toMatchObject({ code: 'not_found' });
    expect(stage.ipam.held).toEqual([]);
  });
});

describe('ports', () => {
  test('come up where their device appears, move, go down and are deleted; every step is an event with its VTEP', async () => {
    await register(one, 'ports-a', '10.9.0.1');
    await register(two, 'ports-b', '2001:db8::2');
    const network = await makeNetwork(one);
    const subnet = parseUuid('id', randomUUID());
    stage.ipam.addSubnet(parseUuid('id', network.id), subnet, '10.1.0');
    const port = await makePort(two, network.id, { name: 'web', device_owner: 'compute:kvm' });
    expect(port).toMatchObject({ status: 'STATUS_BUILD', binding_host_id: '', binding_generation: '0' });
    expect(port.fixed_ips).toEqual([{ subnet_id: subnet, ip_address: '10.1.0.2' }]);

    const up = await one.reportPortUp(tapReport('ports-a', port.id));
    expect(up).toMatchObject({ rebound: true, network: { id: network.id }, port: { status: 'STATUS_ACTIVE' } });
    expect(await two.reportPortUp(tapReport('ports-a', port.id))).toEqual({ ...up, rebound: false });
    const moved = await two.reportPortUp(tapReport('ports-b', port.id));
    expect(moved).toMatchObject({ rebound: true, port: { binding_host_id: 'ports-b', binding_generation: '2' } });
    const word = { port_id: port.id, device_name: '' };
    expect(await one.reportPortDown({ ...word, host_id: 'ports-a', binding_generation: '1' })).toEqual({
      unbound: false,
    });
    expect(
      (await one.listPorts({ page_size: 0, page_token: '', network_id: '', binding_host_id: 'ports-b', name: '' }))
        .ports,
    ).toHaveLength(1);
    expect(await two.reportPortDown({ ...word, host_id: 'ports-b', binding_generation: '2' })).toEqual({
      unbound: true,
    });
    await one.deletePort({ id: port.id, etag: '', ...plainly });

    const events = await eventsOf('port', port.id, 5);
    expect(events.map(({ cause }) => cause)).toEqual([
      'CreatePort',
      'ReportPortUp',
      'ReportPortUp',
      'ReportPortDown',
      'DeletePort',
    ]);
    expect(events.map(({ vtep }) => vtep?.address)).toEqual([
      undefined,
      '10.9.0.1',
      '2001:db8::2',
      undefined,
      undefined,
    ]);
    const revisions = events.map(({ resource }) => Number(resource?.value.revision_number));
    expect(revisions).toEqual([...revisions].sort((x, y) => x - y));
    expect(stage.ipam.held).toEqual([network.id]);
    stage.ipam.subnets.clear();
    await one.deleteNetwork({ id: network.id, etag: '', ...plainly });
  });

  test('have one place whichever replica hears which host first', async () => {
    const hosts = ['race-a', 'race-b', 'race-c'];
    await Promise.all(hosts.map((id, at) => register(one, id, `10.9.1.${(at + 1).toString()}`)));
    const network = await makeNetwork(one);
    const ports = await Promise.all(Array.from({ length: 10 }, () => makePort(one, network.id)));
    await Promise.all(
      ports.map(async ({ id }) => {
        const words = hosts.flatMap((host, at) =>
          [one, two].map((replica) => [at % 2 === 0 ? replica : two, host] as const),
        );
        const answers = await Promise.all(words.map(([replica, host]) => replica.reportPortUp(tapReport(host, id))));
        const final = await two.getPort({ id });
        expect(answers.filter(({ rebound }) => rebound)).toHaveLength(3);
        expect(final.binding_generation).toBe('3');
        const newest = answers.find(({ rebound, port }) => rebound && port?.binding_generation === '3');
        expect(final.binding_host_id).toBe(newest?.port?.binding_host_id);
        await one.deletePort({ id, etag: final.etag, ...plainly });
      }),
    );
    await one.deleteNetwork({ id: network.id, etag: '', ...plainly });
  });
});

describe('watching', () => {
  const until = async (
    stream: AsyncIterator<WatchResponse>,
    done: (response: WatchResponse) => boolean,
  ): Promise<readonly WatchResponse[]> => {
    const seen: WatchResponse[] = [];
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return seen;
      seen.push(next.value);
      if (done(next.value)) return seen;
    }
  };
  const isBookmark = ({ kind }: WatchResponse): boolean => kind === WatchKind.WATCH_KIND_BOOKMARK;

  test('begins with what there is, goes on with what changes, and resumes where it was left', async () => {
    const network = await makeNetwork(one, { name: 'watched' });
    const stream = two.watch({ kinds: [ResourceKind.RESOURCE_KIND_NETWORK], resume_token: '' })[Symbol.asyncIterator]();
    const snapshot = await until(stream, isBookmark);
    expect(snapshot.map(({ resource }) => resource?.value.id)).toContain(network.id);
    const port = await makePort(one, network.id);
    const rename = (name: string) =>
      one.updateNetwork({ network: Network.fromPartial({ id: network.id, name }), update_mask: ['name'], ...plainly });
    await rename('renamed');
    const [change] = await until(stream, () => true);
    expect(change).toMatchObject({
      kind: WatchKind.WATCH_KIND_UPDATED,
      resource: { value: { id: network.id, name: 'renamed' } },
    });
    await stream.return?.();

    await rename('again');
    const resumed = one.watch({ kinds: [], resume_token: change?.resume_token ?? '' })[Symbol.asyncIterator]();
    const [next] = await until(resumed, () => true);
    expect(next).toMatchObject({ resource: { value: { name: 'again' } } });
    await resumed.return?.();
    await one.deletePort({ id: port.id, etag: '', ...plainly });
    await one.deleteNetwork({ id: network.id, etag: '', ...plainly });
  });

  test('from what is no longer kept, or another log, says so', async () => {
    await makeNetwork(one).then(({ id }) => one.deleteNetwork({ id, etag: '', ...plainly }));
    const stream = one.watch({ kinds: [], resume_token: '' })[Symbol.asyncIterator]();
    const { resume_token: token = '' } = (await until(stream, isBookmark)).at(-1) ?? {};
    await stream.return?.();
    const manager = await jetstreamManager(bus);
    const [log] = JSON.parse(Buffer.from(token, 'base64url').toString()) as [string, number];
    await manager.streams.purge('WEFT_TOPOLOGY', { keep: 1 });
    for (const place of [
      [log, 1],
      ['another', 1],
      [log, 1_000_000],
    ]) {
      const old = Buffer.from(JSON.stringify(place)).toString('base64url');
      const watching = until(one.watch({ kinds: [], resume_token: old })[Symbol.asyncIterator](), () => true);
      await expect(watching).rejects.toMatchObject({ code: 'out_of_range', reason: 'WATCH_EXPIRED' });
    }
    const junk = until(one.watch({ kinds: [], resume_token: 'junk' })[Symbol.asyncIterator](), () => true);
    await expect(junk).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('a bad request', () => {
  const network = (rest: Partial<Network>) => () =>
    one.createNetwork({ network: Network.fromPartial(rest), ...plainly });
  const port = (rest: Partial<Port>) => () =>
    one.createPort({ port: Port.fromPartial({ network_id: randomUUID(), ...rest }), ...plainly });
  const host = (rest: object) => () => one.registerHost({ host: { ...hostNamed('bad', '10.9.2.1'), ...rest } });
  const up = (rest: object) => () => one.reportPortUp({ ...tapReport('bad', randomUUID()), ...rest });
  const cases: readonly { readonly field: string; readonly call: () => Promise<unknown> }[] = [
    { field: 'network', call: () => one.createNetwork({ ...plainly }) },
    { field: 'network.id', call: network({ id: 'x' }) },
    { field: 'network.name', call: network({ name: 'x'.repeat(256) }) },
    { field: 'network.mtu', call: network({ mtu: 67 }) },
    { field: 'network.segmentation_id', call: network({ segmentation_id: 16_777_216 }) },
    { field: 'network.physical_network', call: network({ network_type: NetworkType.NETWORK_TYPE_FLAT }) },
    { field: 'network.physical_network', call: network({ physical_network: 'eth0' }) },
    { field: 'network.labels', call: network({ labels: { 'a b': 'c' } }) },
    {
      field: 'request_id',
      call: () => one.createNetwork({ network: Network.fromPartial({}), request_id: 'x', validate_only: true }),
    },
    {
      field: 'update_mask',
      call: () =>
        one.updateNetwork({ network: Network.fromPartial({ id: randomUUID() }), update_mask: ['vni'], ...plainly }),
    },
    { field: 'port.network_id', call: port({ network_id: '' }) },
    { field: 'port.mac_address', call: port({ mac_address: '01:00:00:00:00:01' }) },
    {
      field: 'port.fixed_ips[1].ip_address',
      call: port({
        fixed_ips: [
          { subnet_id: '', ip_address: '' },
          { subnet_id: '', ip_address: '::1%lo' },
        ],
      }),
    },
    {
      field: 'port.allowed_address_pairs[0].ip_address',
      call: port({ allowed_address_pairs: [{ mac_address: '', ip_address: '10.0.0.1/24' }] }),
    },
    { field: 'port.binding_host_id', call: port({ binding_host_id: '$(reboot)' }) },
    { field: 'host.id', call: host({ id: '../x' }) },
    { field: 'host.vtep_address', call: host({ vtep_address: '224.0.0.1' }) },
    { field: 'host.udp_port', call: host({ udp_port: 65_536 }) },
    { field: 'host.driver', call: host({ driver: 'DRIVER_UNSPECIFIED' }) },
    { field: 'lease', call: () => one.renewHostLease({ host_id: 'bad', lease: { seconds: '3601', nanos: 0 } }) },
    { field: 'device_name', call: up({ device_name: 'sixteen-bytes-xx' }) },
    { field: 'device_name', call: up({ device_name: '' }) },
    { field: 'host_id', call: up({ host_id: '' }) },
    { field: 'mac_address', call: up({ mac_address: 'ff:ff:ff:ff:ff:ff' }) },
    {
      field: 'message',
      call: () =>
        one.reportPortFailed({ host_id: 'bad', port_id: randomUUID(), binding_generation: '1', message: '\n' }),
    },
    { field: 'page_size', call: () => one.listHosts({ page_size: -1, page_token: '' }) },
    { field: 'page_token', call: () => one.listHosts({ page_size: 1, page_token: 'x' }) },
    {
      field: 'name',
      call: () =>
        one.listPorts({ page_size: 0, page_token: '', network_id: randomUUID(), binding_host_id: '', name: 'x' }),
    },
    {
      field: 'kinds[0]',
      call: () =>
        one
          .watch({ kinds: [ResourceKind.RESOURCE_KIND_UNSPECIFIED], resume_token: '' })
          [Symbol.asyncIterator]()
          .next(),
    },
  ];

  test.each(cases)('names $field, and changes nothing', async ({ field, call }) => {
    const manager = await jetstreamManager(bus);
    const before = (await manager.streams.info('WEFT_TOPOLOGY')).state.last_seq;
    const error: unknown = await call().catch((thrown: unknown) => thrown);
    if (!(error instanceof DomainError)) throw new Error('it was not refused');
    expect(error.code).toBe('invalid');
    expect(error.violations.map((violation) => violation.field)).toEqual([field]);
    expect((await manager.streams.info('WEFT_TOPOLOGY')).state.last_seq).toBe(before);
    expect(stage.ipam.held).toEqual([]);
  });
});
