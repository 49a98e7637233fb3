import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '@nats-io/transport-node';
import { jetstreamManager } from '@nats-io/jetstream';
import { Redis } from 'ioredis';
import { digestOf, formatDigest } from '#platform/net/forwarding-digest.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import type { ForwardingChange } from '#proto/weft/type/v1/forwarding.ts';
import { hostOf, networkOf, portOf } from './testing/arbitraries.ts';
import type { Replica } from './testing/replica.ts';
import { Stage } from './testing/stage.ts';

const HOSTS = 4;
const PORTS = 40;
const network = networkOf(0);
let stage: Stage;
let one: Replica;
let two: Replica;

beforeEach(async () => {
  stage = await Stage.open(new MemoryLog());
  for (let n = 0; n < HOSTS; n += 1) stage.topology.putHost(n);
  stage.topology.putNetwork(0);
});

/** Two replicas; the default interval is longer than any test, so that nothing is mended by reconciliation by chance. */
const begin = async (reconcileInterval = 60_000): Promise<void> => {
  [one, two] = await Promise.all([stage.replica({ reconcileInterval }), stage.replica({ reconcileInterval })]);
};

afterEach(() => stage[Symbol.asyncDispose]());

/** Ports come, move and go, seeded by `round`, until `until` has come to pass. */
const churn = async (round: number, until: Promise<unknown>): Promise<void> => {
  let over = false;
  void until.finally(() => {
    over = true;
  });
  const said: Promise<void>[] = [];
  for (let step = 0; step < 60 || !over; step += 1) {
    const n = (step * 7 + round * 3) % PORTS;
    const change =
      step % 5 === 4
        ? stage.topology.deletePort(n)
        : stage.topology.putPort(n, 0, (step + round) % (HOSTS + 1) || undefined);
    if (change !== undefined) said.push(stage.say(change));
    await new Promise((resolve) => {
      setTimeout(resolve, 3);
    });
  }
  await Promise.all(said);
};

const tableOf = async (replica: Replica): Promise<readonly string[]> => {
  const entries: string[] = [];
  for await (const chunk of replica.rpc.getSnapshot({ network_id: network })) {
    entries.push(...chunk.entries.map((entry) => `${entry.port_id} ${entry.vtep?.host_id ?? ''} ${entry.generation}`));
  }
  return entries.sort();
};

const wanted = (): readonly string[] =>
  stage.topology
    .table(network)
    .map(({ portId, vtep, generation }) => `${portId} ${vtep.hostId} ${generation.toString()}`);

const right = async (withinMs = 8_000): Promise<void> => {
  await eventually(
    'the table is what topology has',
    async () => (await tableOf(one).catch(() => ['away'])).join() === wanted().join(),
    withinMs,
  );
  expect(await tableOf(two)).toEqual(wanted());
  // And the digests that hosts are judged by are right as well.
  const { advices } = await one.rpc.reportHostState({
    host_id: hostOf(1),
    networks: [{ network_id: network, revision: '0', digest: '', digest_revision: '0', drift_repaired: 0 }],
  });
  expect(advices[0]?.expected_digest).toBe(formatDigest(digestOf(stage.topology.table(network), hostOf(1))));
};

/** A host that applied what it heard and fetched what it missed, as the contract says. */
const hostView = async (): Promise<readonly string[]> => {
  const entries = new Map<string, string>();
  const apply = (changes: readonly ForwardingChange[]): void => {
    for (const { change } of changes) {
      if (change?.$case === 'set') {
        const { port_id, vtep, generation } = change.value;
        entries.set(port_id, `${port_id} ${vtep?.host_id ?? ''} ${generation}`);
      } else if (change !== undefined) entries.delete(change.value.port_id);
    }
  };
  let held = 0;
  const fetch = async (): Promise<void> => {
    const missing = await one.rpc.listChanges({ network_id: network, since_revision: held.toString() });
    for (const { changes } of missing.changes) apply(changes);
    held = Number(missing.revision);
  };
  for (const { delta } of stage.heard) {
    const revision = Number(delta.revision);
    if (delta.network_id !== network || revision <= held) continue;
    if (Number(delta.base_revision) > held) await fetch();
    else {
      apply(delta.changes);
      held = revision;
    }
  }
  await fetch();
  return [...entries.values()].sort();
};

describe('the table and the hosts come right', () => {
  test('after redis was killed in the middle', async () => {
    await begin();
    const killed = (async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await stage.redis.kill9();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await stage.redis.restart();
    })();
    await churn(1, killed);
    await right();
    expect(await hostView()).toEqual(wanted());
  });

  test('after nats was killed in the middle', async () => {
    await begin();
    const killed = (async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await stage.nats.kill9();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await stage.nats.restart();
    })();
    await churn(2, killed);
    await right();
    expect(await hostView()).toEqual(wanted());
  });

  test('after one replica was stopped in the middle', async () => {
    await begin();
    const stopped = (async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await two[Symbol.asyncDispose]();
      two = one;
    })();
    await churn(3, stopped);
    await right();
    expect(await hostView()).toEqual(wanted());
  });

  test('after the events of a while were lost with their stream', async () => {
    await begin();
    await churn(4, Promise.resolve());
    await right();
    stage.topology.putPort(1, 0, 3);
    stage.topology.deletePort(2);
    const nats = await connect({ servers: stage.nats.url });
    const manager = await jetstreamManager(nats);
    await manager.streams.purge('WEFT_TOPOLOGY');
    await manager.streams.delete('WEFT_TOPOLOGY');
    await nats.close();
    await right();
  });

  test('after the store has lost everything', async () => {
    await begin(300);
    await churn(5, Promise.resolve());
    await right();
    const redis = new Redis({ path: stage.redis.url });
    await redis.flushall();
    await redis.quit();
    await right();
    const state = await two.rpc.getNetworkState({ network_id: network });
    expect(state.entry_count).toBe(wanted().length);
  });
});

test('reconciliation takes out a port whose deletion nobody told of, and brings in one nobody told of', async () => {
  await begin(300);
  await stage.say(stage.topology.putPort(1, 0, 1));
  await eventually('it is in', async () => (await tableOf(one)).length === 1);
  stage.topology.deletePort(1);
  stage.topology.putPort(2, 0, 2);
  await eventually('they changed places', async () => (await tableOf(one)).join().startsWith(portOf(2)));
  expect(await tableOf(two)).toEqual(wanted());
});

test('a dead host leaves the tables where that is the policy, and is back with its lease', async () => {
  one = await stage.replica({ withdrawDeadHosts: true });
  await stage.say(stage.topology.putPort(1, 0, 1));
  await stage.say(stage.topology.putPort(2, 0, 2));
  await eventually('both are in', async () => (await tableOf(one)).length === 2);
  await stage.say(stage.topology.putHost(1, 0, true));
  await eventually('one is out', async () => (await tableOf(one)).length === 1);
  expect((await one.rpc.getNetworkState({ network_id: network })).vteps.map(({ host_id }) => host_id)).toEqual([
    hostOf(2),
  ]);
  await stage.say(stage.topology.putHost(1));
  await eventually('both are in again', async () => (await tableOf(one)).length === 2);
});
