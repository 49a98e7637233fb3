import { randomUUID } from 'node:crypto';
import { connect } from '@nats-io/transport-node';
import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { TopologyEvent } from '#proto/weft/event/v1/event.ts';
import { Host, Network, Port, type WatchResponse } from '#proto/weft/topology/v1/topology.ts';
import { makeNetwork, makePort, plainly, register, tapReport } from './testing/messages.ts';
import { openStage, type Stage, type TopologyClient } from './testing/stage.ts';

let stage: Stage;
let one: TopologyClient;
let two: TopologyClient;
const never = new AbortController().signal;

beforeAll(async () => {
  stage = await openStage(2, 'always');
  const [first, second] = stage.clients;
  if (first === undefined || second === undefined) throw new Error('two replicas were asked for');
  [one, two] = [first, second];
  await register(one, 'a', '10.0.0.1');
  await register(two, 'b', '10.0.0.2');
});

afterAll(() => stage[Symbol.asyncDispose]());

/** Until it succeeds: with a request id, or of what may be repeated anyway. */
const insist = async <T>(call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof DomainError) || !['unavailable', 'conflict', 'deadline'].includes(error.code)) throw error;
      await sleep(20, never);
    }
  }
};

/** What the stream has told of ports so far, as `id@revision`. */
const told = async (): Promise<ReadonlySet<string>> => {
  const bus = await connect({ servers: stage.nats.url });
  const seen = new Set<string>();
  try {
    const consumer = await jetstream(bus).consumers.get('WEFT_TOPOLOGY', { deliver_policy: DeliverPolicy.All });
    let { num_pending: left } = await consumer.info();
    if (left === 0) return seen;
    for await (const message of await consumer.consume()) {
      const { resource } = TopologyEvent.decode(message.data);
      if (resource?.$case === 'port') seen.add(`${resource.value.id}@${resource.value.revision_number}`);
      left -= 1;
      if (left === 0) break;
    }
    return seen;
  } finally {
    await bus.close();
  }
};

describe('nothing acknowledged is lost', () => {
  test('when redis is killed in the middle of everything: every port is there, bound as was said, and told of', async () => {
    const network = await makeNetwork(one);
    const acknowledged: Port[] = [];
    const ending = new AbortController();
    const worker = async (replica: TopologyClient, host: string): Promise<void> => {
      while (!ending.signal.aborted) {
        const request = {
          port: Port.fromPartial({ network_id: network.id }),
          request_id: randomUUID(),
          validate_only: false,
        };
        const made = await insist(() => replica.createPort(request));
        const { port } = await insist(() => replica.reportPortUp(tapReport(host, made.id)));
        if (port !== undefined) acknowledged.push(made, port);
      }
    };
    const workers = [worker(one, 'a'), worker(two, 'b'), worker(one, 'b'), worker(two, 'a')];
    for (let kill = 0; kill < 2; kill += 1) {
      const before = acknowledged.length;
      await eventually('ports come up', () => acknowledged.length > before + 20, 5_000);
      await stage.redis.kill9();
      await stage.redis.restart();
    }
    const after = acknowledged.length;
    await eventually('ports come up again', () => acknowledged.length > after + 20, 5_000);
    ending.abort();
    await Promise.all(workers);

    for (const port of acknowledged.filter(({ binding_host_id: host }) => host !== '')) {
      const { binding_host_id: host, binding_generation: generation, status } = await one.getPort({ id: port.id });
      expect({ host, generation, status }).toEqual({
        host: port.binding_host_id,
        generation: '1',
        status: 'STATUS_ACTIVE',
      });
    }
    let seen: ReadonlySet<string> = new Set();
    await eventually(
      'every change has been told',
      async () => {
        seen = await told();
        return acknowledged.every(({ id, revision_number: revision }) => seen.has(`${id}@${revision}`));
      },
      8_000,
    );
    const listed = await one.listPorts({
      page_size: 1_000,
      page_token: '',
      network_id: network.id,
      binding_host_id: '',
      name: '',
    });
    expect(new Set(listed.ports.map(({ mac_address: mac }) => mac)).size).toBe(listed.ports.length);
  });

  test('when NATS is away: ports come up all the same, watchers are told to come back, and everything is told later', async () => {
    const network = await makeNetwork(one);
    const port = await makePort(one, network.id);
    const stream = one.watch({ kinds: [], resume_token: '' })[Symbol.asyncIterator]();
    let last: IteratorResult<WatchResponse>;
    do last = await stream.next();
    while (last.done !== true && last.value.resume_token === '');
    const token = last.done === true ? '' : last.value.resume_token;
    const broken = expect(stream.next()).rejects.toMatchObject({ code: 'unavailable' });
    await stage.nats.kill9();
    await broken;
    const { port: up } = await one.reportPortUp(tapReport('a', port.id));
    expect(up?.status).toBe('STATUS_ACTIVE');
    await expect(two.watch({ kinds: [], resume_token: token })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'unavailable',
    });
    await stage.nats.restart();
    const resumed = await insist(async () => {
      const again = two.watch({ kinds: [], resume_token: token })[Symbol.asyncIterator]();
      for (;;) {
        const next = await again.next();
        if (next.done === true) throw new Error('a watch does not end');
        if (next.value.resource?.value.id !== port.id) continue;
        await again.return?.();
        return next.value;
      }
    });
    expect(resumed).toMatchObject({
      kind: 'WATCH_KIND_UPDATED',
      vtep: { host_id: 'a' },
      resource: { value: { status: 'STATUS_ACTIVE' } },
    });
  });
});

describe('whatever is sent', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '',
      'a',
      '$(reboot)',
      '; rm -rf /',
      '../..',
      '\u0000',
      'x'.repeat(100_000),
      '00000000-0000-4000-8000-000000000000',
    ),
    fc.constantFrom(
      'fa:16:3e:00:00:01',
      'ff:ff:ff:ff:ff:ff',
      '10.0.0.0/8',
      '::1',
      'tap00000000-00',
      'sixteen-bytes-xx',
    ),
  );
  const number = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 4_294_967_295));
  const host = fc
    .record({
      id: text,
      vtep_address: text,
      udp_port: number,
      underlay_mtu: number,
      agent_version: text,
      labels: fc.dictionary(text, text),
    })
    .map((fields) => Host.fromPartial(fields));
  const network = fc
    .record({
      id: text,
      name: text,
      segmentation_id: number,
      physical_network: text,
      mtu: number,
      labels: fc.dictionary(text, text),
    })
    .map((fields) => Network.fromPartial(fields));
  const port = fc
    .record({
      id: text,
      network_id: text,
      mac_address: text,
      binding_host_id: text,
      device_id: text,
      fixed_ips: fc.array(fc.record({ subnet_id: text, ip_address: text })),
      allowed_address_pairs: fc.array(fc.record({ mac_address: text, ip_address: text })),
    })
    .map((fields) => Port.fromPartial(fields));
  const how = fc.record({ request_id: text, validate_only: fc.boolean() });
  const mask = fc.array(fc.oneof(text, fc.constantFrom('name', 'labels', 'mtu', 'binding_host_id', '*')));
  const word = fc.record({
    host_id: text,
    port_id: text,
    device_name: text,
    mac_address: text,
    network_id: text,
    vm_id: text,
    message: text,
  });
  const page = fc.record({
    page_size: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    page_token: text,
    name: text,
  });

  const calls = fc.oneof(
    host.map((given) => () => one.registerHost({ host: given })),
    fc.tuple(host, how).map(
      ([given, asked]) =>
        () =>
          one.createHost({ host: given, ...asked }),
    ),
    fc.tuple(host, how, mask).map(
      ([given, asked, named]) =>
        () =>
          one.updateHost({ host: given, update_mask: named, ...asked }),
    ),
    fc.tuple(network, how).map(
      ([given, asked]) =>
        () =>
          one.createNetwork({ network: given, ...asked }),
    ),
    fc.tuple(network, how, mask).map(
      ([given, asked, named]) =>
        () =>
          one.updateNetwork({ network: given, update_mask: named, ...asked }),
    ),
    fc.tuple(port, how).map(
      ([given, asked]) =>
        () =>
          one.createPort({ port: given, ...asked }),
    ),
    fc.tuple(port, how, mask).map(
      ([given, asked, named]) =>
        () =>
          one.updatePort({ port: given, update_mask: named, ...asked }),
    ),
    fc.tuple(text, text, how).map(
      ([id, etag, asked]) =>
        () =>
          one.deletePort({ id, etag, ...asked }),
    ),
    fc.tuple(text, text, how).map(
      ([id, etag, asked]) =>
        () =>
          one.deleteHost({ id, etag, force: true, ...asked }),
    ),
    word.map((given) => () => one.reportPortUp(given)),
    fc.tuple(word, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(
      ([given, generation]) =>
        () =>
          one.reportPortFailed({ ...given, binding_generation: generation.toString() }),
    ),
    page.map((given) => () => one.listNetworks(given)),
    page.map((given) => () => one.listPorts({ ...given, network_id: '', binding_host_id: '' })),
    text.map((token) => async () => {
      const watching = one.watch({ kinds: [], resume_token: `x${token}` })[Symbol.asyncIterator]();
      await watching.next();
      await watching.return?.();
    }),
  );

  test('is answered, or refused with a reason, and never by a defect', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(calls, { minLength: 1, maxLength: 10 }), async (some) => {
        const outcomes = await Promise.allSettled(some.map((call) => call()));
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue;
          const reason: unknown = outcome.reason;
          if (!(reason instanceof DomainError)) throw new Error('not a DomainError', { cause: reason });
          expect(['invalid', 'not_found', 'exists', 'conflict', 'precondition', 'out_of_range']).toContain(reason.code);
          if (reason.code === 'invalid' && reason.reason === 'INVALID_FIELD') expect(reason.violations).toHaveLength(1);
        }
      }),
      { numRuns: 120 },
    );
    expect((await one.getHost({ id: 'b' })).id).toBe('b');
    await makeNetwork(two).then(({ id }) => two.deleteNetwork({ id, etag: '', ...plainly }));
  });
});
