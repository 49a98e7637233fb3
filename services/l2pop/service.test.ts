import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { digestOf, formatDigest } from '#platform/net/forwarding-digest.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { recordedTelemetry } from '#platform/telemetry/spans.fixture.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { ForwardingAck } from '#proto/weft/event/v1/event.ts';
import type { WaitForConvergenceResponse, WatchResponse } from '#proto/weft/l2pop/v1/l2pop.ts';
import { hostOf, networkOf, portOf, vtepOf } from './testing/arbitraries.ts';
import type { Replica } from './testing/replica.ts';
import { Stage } from './testing/stage.ts';
import { eventOf } from './testing/topology-server.ts';

const log = new MemoryLog();
let stage: Stage;
let one: Replica;
let two: Replica;
/** Each test has a network and ports of its own. */
let place = 0;
let network: Uuid;
const port = (n: number): number => place * 100 + n;

beforeAll(async () => {
  stage = await Stage.open(log);
  for (let n = 0; n < 4; n += 1) stage.topology.putHost(n);
  [one, two] = await Promise.all([stage.replica(), stage.replica()]);
});

afterAll(() => stage[Symbol.asyncDispose]());

beforeEach(async () => {
  place += 1;
  network = networkOf(place);
  await stage.say(stage.topology.putNetwork(place));
  await eventually('the network is known', async () => (await stateOf(one)) !== undefined);
});

afterEach(() => {
  stage.topology.away = undefined;
});

const stateOf = (replica: Replica) => replica.rpc.getNetworkState({ network_id: network }).catch(() => undefined);

const bind = (n: number, host: number | undefined) => stage.say(stage.topology.putPort(port(n), place, host));

/** In revision order: what two replicas publish may overtake each other. */
const deltas = () =>
  stage.heard
    .map(({ delta }) => delta)
    .filter((delta) => delta.network_id === network)
    .sort((a, b) => Number(a.revision) - Number(b.revision));

const at = async (revision: number): Promise<void> => {
  await eventually(`revision ${revision.toString()}`, async () => Number((await stateOf(one))?.revision) >= revision);
};

const tableOf = async (replica: Replica) => {
  const entries = [];
  let complete = false;
  for await (const chunk of replica.rpc.getSnapshot({ network_id: network })) {
    expect(complete).toBe(false);
    entries.push(...chunk.entries);
    complete = chunk.complete;
  }
  expect(complete).toBe(true);
  return entries
    .map((entry) => `${entry.port_id} ${entry.vtep?.host_id ?? ''} ${entry.vtep?.address ?? ''} ${entry.generation}`)
    .sort();
};

const wanted = () =>
  stage.topology
    .table(network)
    .map(({ portId, vtep, generation }) => `${portId} ${vtep.hostId} ${vtep.address} ${generation.toString()}`)
    .sort();

const failing = async (work: Promise<unknown>): Promise<DomainError> => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DomainError)) throw new Error('did not fail as it should');
  return error;
};

const rightDigest = (host: HostId): string => formatDigest(digestOf(stage.topology.table(network), host));

describe('from an event to hosts', () => {
  test('a port that is bound, moved and unbound is told to hosts once each, with where it was before', async () => {
    await bind(0, 0);
    await eventually('it is told', () => deltas().length === 1);
    await bind(0, 1);
    await eventually('the move is told', () => deltas().length === 2);
    await bind(0, undefined);
    await eventually('the end is told', () => deltas().length === 3);
    expect(deltas()).toMatchObject([
      {
        base_revision: '0',
        revision: '1',
        cause: 'Test',
        changes: [
          {
            change: {
              $case: 'set',
              value: { port_id: portOf(port(0)), vtep: { host_id: hostOf(0) }, generation: '1' },
            },
          },
        ],
      },
      {
        base_revision: '1',
        revision: '2',
        changes: [{ change: { $case: 'set', value: { generation: '2' } }, previous: { vtep: { host_id: hostOf(0) } } }],
      },
      {
        base_revision: '2',
        revision: '3',
        changes: [{ change: { $case: 'removed', value: { vtep: { host_id: hostOf(1) } } } }],
      },
    ]);
    expect(deltas()[0]?.changes[0]?.previous).toBeUndefined();
  });

  test('a crowd of events becomes few messages, and the table is what topology has', async () => {
    for (let n = 0; n < 90; n += 1) stage.topology.putPort(port(n), place, n % 4);
    await Promise.all(Array.from({ length: 90 }, (_, n) => bind(n, (n + 1) % 4)));
    await eventually('all are in', async () => (await stateOf(two))?.entry_count === 90);
    expect(await tableOf(one)).toEqual(wanted());
    expect(deltas().length).toBeLessThan(60);
    const revisions = deltas().map(({ revision }) => Number(revision));
    expect(new Set(revisions).size).toBe(Number((await stateOf(one))?.revision));
  });

  test('a host whose VTEP moves takes its ports along', async () => {
    await bind(0, 3);
    await bind(1, 0);
    await at(2);
    await stage.say(stage.topology.putHost(3, 7));
    await eventually('it moved', async () => (await tableOf(two)).join() === wanted().join());
    // Two replicas publish, each in its own time: the last to be heard need not be the last that was made.
    const moved = deltas().find(({ changes: [first] }) => first?.previous !== undefined);
    expect(moved).toMatchObject({
      changes: [
        {
          change: { $case: 'set', value: { vtep: { address: vtepOf(3, 7).address } } },
          previous: { vtep: { address: vtepOf(3).address } },
        },
      ],
    });
    await stage.say(stage.topology.putHost(3));
  });

  test('the trace goes on from the event to the delta, and says what and where', async () => {
    await using recorded = await recordedTelemetry();
    const traceId = 'feedfacefeedfacefeedfacefeedface';
    await stage.say(stage.topology.putPort(port(0), place, 0), { traceparent: `00-${traceId}-00000000000000aa-01` });
    await eventually('it is told', () => deltas().length === 1);
    const { spans } = await recorded.trace(traceId, 4);
    const named = (name: string) => spans.find((span) => span.name === name);
    expect(named('consume l2pop')?.parentSpanId).toBe('00000000000000aa');
    expect(named('l2pop.apply')?.parentSpanId).toBe(named('consume l2pop')?.spanId);
    expect(named('redis.apply l2pop')?.parentSpanId).toBe(named('l2pop.apply')?.spanId);
    expect(named('publish weft.forwarding')?.parentSpanId).toBe(named('l2pop.apply')?.spanId);
    expect(named('l2pop.apply')?.attributes).toMatchObject({
      'weft.network.id': network,
      'weft.port.id': portOf(port(0)),
      'weft.revision': 1,
      'weft.changes': 1,
    });
    const heard = stage.heard.find(({ delta }) => delta.network_id === network);
    expect(heard?.headers['traceparent']).toBe(`00-${traceId}-${named('publish weft.forwarding')?.spanId ?? ''}-01`);
  });

  test('an event that makes no sense is dropped, and those behind it are handled', async () => {
    const dropped = () => log.messages('error').filter((message) => message.includes('makes no sense')).length;
    const before = dropped();
    const bad = eventOf(stage.topology.putPort(port(9), place, 0));
    stage.topology.deletePort(port(9));
    stage.send(bad.subject, Buffer.from(bad.payload.map((byte) => (byte === 0x66 ? 0x7a : byte))));
    stage.send('weft.topology.port.x', new Uint8Array([255, 255, 255]));
    stage.send('weft.topology.port.y', new Uint8Array());
    await bind(0, 0);
    await at(1);
    await eventually('all three were dropped', () => dropped() === before + 3);
    expect(await tableOf(one)).toEqual(wanted());
  });
});

describe('convergence', () => {
  const wait = (replica: Replica, revision = '0', ms = 5_000) => {
    const words: WaitForConvergenceResponse[] = [];
    const done = (async () => {
      const timeout = { seconds: Math.trunc(ms / 1_000).toString(), nanos: (ms % 1_000) * 1_000_000 };
      for await (const word of replica.rpc.waitForConvergence({ network_id: network, revision, timeout }))
        words.push(word);
    })();
    return { words, done };
  };
  const lagging = (word: WaitForConvergenceResponse | undefined) => word?.lagging.map(({ host_id }) => host_id);

  test('is told by both replicas as hosts acknowledge, and noted for the others', async () => {
    await bind(0, 0);
    await bind(1, 1);
    await at(2);
    const waits = [wait(one), wait(two)];
    await eventually('both wait', () => waits.every(({ words }) => words.length === 1));
    expect(waits.map(({ words }) => lagging(words[0]))).toEqual([
      [hostOf(0), hostOf(1)],
      [hostOf(0), hostOf(1)],
    ]);
    stage.ack(hostOf(0), network, 2);
    await eventually('one is left', () => waits.every(({ words }) => lagging(words.at(-1))?.join() === hostOf(1)));
    stage.ack(hostOf(1), network, 2);
    await Promise.all(waits.map(({ done }) => done));
    for (const { words } of waits) expect(words.at(-1)).toMatchObject({ revision: '2', converged: true, lagging: [] });
    await eventually('it is noted', async () => (await stateOf(two))?.hosts.every(({ in_sync }) => in_sync) ?? false);
    const again = wait(two);
    await again.done;
    expect(again.words).toHaveLength(1);
  });

  test('of a revision to come waits for it, and for those who join meanwhile', async () => {
    await bind(0, 0);
    await at(1);
    const { words, done } = wait(two, '2');
    await eventually('it waits', () => words.length === 1);
    stage.ack(hostOf(0), network, 1);
    await bind(1, 1);
    await eventually('both lag', () => lagging(words.at(-1))?.length === 2);
    stage.ack(hostOf(0), network, 2);
    stage.ack(hostOf(1), network, 2);
    await done;
    expect(words.at(-1)?.converged).toBe(true);
  });

  test('is timed, and how far hosts are behind is told to Prometheus', async () => {
    const metrics = telemetry({ service: 'test', instance: 'one', metrics: { listen: '127.0.0.1:0' } });
    await metrics.start(AbortSignal.timeout(2_000));
    try {
      await bind(0, 0);
      await bind(1, 1);
      await at(2);
      for (const host of [0, 1]) stage.ack(hostOf(host), network, 2);
      const reported = { network_id: network, revision: '0', digest: '', digest_revision: '0', drift_repaired: 0 };
      await one.rpc.reportHostState({ host_id: hostOf(1), networks: [reported] });
      const read = async () => await (await fetch(`http://${metrics.metricsAddress ?? ''}/metrics`)).text();
      await eventually('both revisions are timed', async () =>
        /weft_convergence_seconds_count\S* 2\b/.test(await read()),
      );
      expect(await read()).toMatch(new RegExp(`weft_revision_lag\\{[^}]*host="${hostOf(1)}"[^}]*\\} 2`));
    } finally {
      await metrics.stop(AbortSignal.timeout(2_000));
    }
  });

  test('that does not come names the hosts', async () => {
    await bind(0, 0);
    await bind(1, 2);
    await at(2);
    stage.ack(hostOf(0), network, 2);
    const error = await failing(wait(one, '0', 150).done);
    expect(error).toMatchObject({
      code: 'deadline',
      reason: 'NOT_CONVERGED',
      details: { hosts: hostOf(2), revision: '2' },
    });
  });

  test('is reached by a report where the acknowledgement was lost', async () => {
    await bind(0, 0);
    await at(1);
    const { words, done } = wait(two);
    await eventually('it waits', () => words.length === 1);
    const reported = { network_id: network, revision: '1', digest: '', digest_revision: '0', drift_repaired: 0 };
    await one.rpc.reportHostState({ host_id: hostOf(0), networks: [reported] });
    await done;
    expect(words.at(-1)?.converged).toBe(true);
  });

  test('is not disturbed by acknowledgements that make no sense, or in the name of another', async () => {
    await bind(0, 0);
    await at(1);
    stage.send(`weft.ack.${hostOf(0)}`, new Uint8Array([255, 255, 255]));
    const forged = { host_id: hostOf(0), networks: [{ network_id: network, revision: '1' }] };
    stage.send('weft.ack.somebody-else', ForwardingAck.encode(forged).finish());
    stage.ack(hostOf(9), network, 1);
    stage.ack(hostOf(0), network, 5);
    stage.ack(hostOf(0), network, 0);
    const error = await failing(wait(one, '0', 150).done);
    expect(error.details['hosts']).toBe(hostOf(0));
  });
});

describe('reports', () => {
  const report = async (revision: number, digest = '', digestRevision = revision, host = 0) => {
    const { advices } = await two.rpc.reportHostState({
      host_id: hostOf(host),
      networks: [
        {
          network_id: network,
          revision: revision.toString(),
          digest,
          digest_revision: digestRevision.toString(),
          drift_repaired: 2,
        },
      ],
    });
    return advices;
  };

  test('are answered with what to do: nothing, fetch, or compare with the snapshot', async () => {
    await bind(0, 0);
    await bind(1, 1);
    await at(2);
    const right = rightDigest(hostOf(0));
    expect(await report(2, right)).toEqual([]);
    expect(await report(2)).toEqual([]);
    expect(await report(1, right)).toEqual([
      { network_id: network, advice: 'ADVICE_FETCH_CHANGES', revision: '2', expected_digest: right },
    ]);
    expect(await report(2, '0123456789abcdef')).toMatchObject([{ advice: 'ADVICE_RESYNC', expected_digest: right }]);
    const [host] = (await stateOf(one))?.hosts ?? [];
    expect(host).toMatchObject({
      digest: '0123456789abcdef',
      expected_digest: right,
      in_sync: false,
      // Each of the four told of two more.
      drift_repaired: 8,
    });
    await report(2, right);
    expect((await stateOf(one))?.hosts).toMatchObject([
      { acked_revision: '2', lag: '0', in_sync: true },
      { acked_revision: '0', lag: '2', in_sync: false },
    ]);
  });

  test('of a host that holds more than the table send all to the snapshot', async () => {
    await bind(0, 0);
    await at(1);
    expect(await report(17)).toMatchObject([{ advice: 'ADVICE_FETCH_CHANGES', revision: '18' }]);
    const error = await failing(one.rpc.listChanges({ network_id: network, since_revision: '17' }));
    expect(error).toMatchObject({ code: 'out_of_range', reason: 'CHANGES_EXPIRED', details: { revision: '18' } });
    await bind(0, 1);
    await eventually('the table goes on', () => deltas().at(-1)?.revision === '19');
  });
});

describe('reading', () => {
  test('changes can be listed since a revision, and watched as they happen, without holes', async () => {
    await bind(0, 0);
    await bind(1, 1);
    await at(2);
    const listed = await two.rpc.listChanges({ network_id: network, since_revision: '1' });
    expect(listed).toMatchObject({ revision: '2', changes: [{ revision: '2', cause: 'Test' }] });
    const watched: WatchResponse[] = [];
    const ending = new AbortController();
    const watching = (async () => {
      const call = two.rpc.watch({ network_id: network, since_revision: '0' }, { signal: ending.signal });
      for await (const message of call) watched.push(message);
    })();
    await eventually('the past has come', () => watched.length === 2);
    for (let n = 2; n < 12; n += 1) await bind(n, n % 3);
    const changes = () => watched.flatMap(({ change }) => change?.changes ?? []);
    await eventually('the present has come', () => changes().length === 12);
    ending.abort();
    await watching.catch(() => undefined);
    expect(watched.map(({ change }) => Number(change?.revision))).toEqual(watched.map((_, n) => n + 1));
    expect(changes()).toEqual(deltas().flatMap((delta) => delta.changes));
    const behind = await failing(
      one.rpc.watch({ network_id: network, since_revision: '99' })[Symbol.asyncIterator]().next(),
    );
    expect(behind.reason).toBe('CHANGES_EXPIRED');
  });

  test('entries and networks are paged in order, by tokens that fit one query only', async () => {
    await Promise.all([0, 1, 2, 3, 4].map((n) => bind(n, n % 2)));
    await eventually('all are in', async () => (await stateOf(one))?.entry_count === 5);
    const seen: string[] = [];
    let token = '';
    do {
      const page = await one.rpc.listForwardingEntries({ network_id: network, page_size: 2, page_token: token });
      expect(page.entries.length).toBeLessThanOrEqual(2);
      seen.push(...page.entries.map(({ port_id }) => port_id));
      token = page.next_page_token;
      if (token !== '') {
        const other = await failing(one.rpc.listNetworkStates({ page_size: 2, page_token: token }));
        expect(other.violations[0]?.field).toBe('page_token');
      }
    } while (token !== '');
    expect(seen).toEqual([0, 1, 2, 3, 4].map((n) => portOf(port(n))));
    const ids: string[] = [];
    do {
      const page = await two.rpc.listNetworkStates({ page_size: 3, page_token: token });
      ids.push(...page.networks.map(({ network_id }) => network_id));
      token = page.next_page_token;
    } while (token !== '');
    expect(ids).toEqual([...ids].sort());
    expect(ids).toContain(network);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('a network nobody has heard of has no state, an empty snapshot, and nothing to wait for', async () => {
    const unknown = { network_id: networkOf(999_999) };
    expect(await failing(one.rpc.getNetworkState(unknown))).toMatchObject({
      code: 'not_found',
      reason: 'NETWORK_NOT_FOUND',
    });
    const chunks = [];
    for await (const chunk of one.rpc.getSnapshot(unknown)) chunks.push(chunk);
    expect(chunks).toEqual([{ revision: '0', entries: [], complete: true }]);
    const waiting = one.rpc
      .waitForConvergence({ ...unknown, revision: '0' })
      [Symbol.asyncIterator]()
      .next();
    expect((await failing(waiting)).code).toBe('not_found');
  });

  test('a deleted network is forgotten once its ports are gone', async () => {
    await bind(0, 0);
    await at(1);
    await stage.say(stage.topology.deletePort(port(0)));
    await stage.say(stage.topology.deleteNetwork(place));
    await eventually(
      'it is forgotten',
      async () =>
        (await failing(two.rpc.getNetworkState({ network_id: network })).catch(() => undefined))?.code === 'not_found',
    );
    expect(await tableOf(one)).toEqual([]);
  });
});

describe('bad requests', () => {
  const uuid = networkOf(1);
  const reported = { network_id: uuid, revision: '1', digest: '', digest_revision: '0', drift_repaired: 0 };
  const first = (stream: AsyncIterable<unknown>) => stream[Symbol.asyncIterator]().next();
  const huge = 'x'.repeat(100_000);
  const cases: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    ...['', 'x', huge, '$(reboot)', '../..', '00000000-0000-4000-8000-00000000000g'].flatMap(
      (id): readonly (readonly [string, string, () => Promise<unknown>])[] => [
        [`GetNetworkState ${id.slice(0, 20)}`, 'network_id', () => one.rpc.getNetworkState({ network_id: id })],
        [`GetSnapshot ${id.slice(0, 20)}`, 'network_id', () => first(one.rpc.getSnapshot({ network_id: id }))],
        [
          `ReportHostState ${id.slice(0, 20)}`,
          'networks[0].network_id',
          () => one.rpc.reportHostState({ host_id: 'a', networks: [{ ...reported, network_id: id }] }),
        ],
      ],
    ),
    ...['', '-x', 'a b', huge, '`id`'].map(
      (host_id) =>
        [
          `ReportHostState of ${host_id.slice(0, 20)}`,
          'host_id',
          () => one.rpc.reportHostState({ host_id, networks: [] }),
        ] as const,
    ),
    ...['zz', 'DEADBEEFDEADBEEF', huge].map(
      (digest) =>
        [
          `a digest ${digest.slice(0, 20)}`,
          'networks[0].digest',
          () => one.rpc.reportHostState({ host_id: 'a', networks: [{ ...reported, digest }] }),
        ] as const,
    ),
    [
      'a revision out of the world',
      'networks[0].revision',
      () => one.rpc.reportHostState({ host_id: 'a', networks: [{ ...reported, revision: '18446744073709551615' }] }),
    ],
    [
      'a network twice',
      'networks[1].network_id',
      () => one.rpc.reportHostState({ host_id: 'a', networks: [reported, reported] }),
    ],
    [
      'a huge since',
      'since_revision',
      () => one.rpc.listChanges({ network_id: uuid, since_revision: '18446744073709551615' }),
    ],
    ['a negative page', 'page_size', () => one.rpc.listNetworkStates({ page_size: -1, page_token: '' })],
    [
      'a broken token',
      'page_token',
      () => one.rpc.listForwardingEntries({ network_id: uuid, page_size: 0, page_token: 'é' }),
    ],
    ...(['0', '601', '-5'] as const).map(
      (seconds) =>
        [
          `a timeout of ${seconds} s`,
          'timeout',
          () => first(one.rpc.waitForConvergence({ network_id: uuid, revision: '0', timeout: { seconds, nanos: 0 } })),
        ] as const,
    ),
  ];
  test.each(cases)('%s is refused, naming %s', async (_name, field, call) => {
    const error = await failing(call());
    expect(error).toMatchObject({ code: 'invalid', violations: [{ field }] });
  });
});
