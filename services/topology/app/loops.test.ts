import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseHostId } from '#platform/net/names.ts';
import type { Store } from '#platform/store/store.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { never, World } from '../testing/world.ts';
import { Doorbell } from './doorbell.ts';
import { unasked } from './environment.ts';
import { errandLoop, leaseLoop } from './loops.ts';
import { getHost, getPort } from './queries.ts';
import { updateNetwork } from './update-network.ts';

/** Runs a loop for the length of a scope. */
const running = (loop: (signal: AbortSignal) => Promise<void>): AsyncDisposable => {
  const halt = new AbortController();
  const done = loop(halt.signal).catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      halt.abort(new Error('over'));
      await done;
    },
  };
};

test('hosts whose lease ends are down within a second, once they could have renewed for as long as it was', async () => {
  const world = new World();
  const { environment, clock } = world;
  await world.host('a', '10.0.0.1');
  let away = true;
  const store: Store = {
    transact: (work, signal) => world.store.transact(work, signal),
    get: (from, one, signal) => world.store.get(from, one, signal),
    list: async (from, options, signal) => {
      if (away) throw new DomainError('unavailable', 'STORE_UNAVAILABLE', 'away');
      return await world.store.list(from, options, signal);
    },
  };
  await using _loop = running((signal) => leaseLoop({ ...environment, store }, new Doorbell(), signal));
  await eventually('it rests', () => clock.sleeping === 1);
  await clock.advance(20_000);
  away = false;
  // The store was away as long as the lease ran, so the host could not have renewed.
  await clock.advance(14_000);
  expect((await getHost(world.environment, parseHostId('id', 'a'), never)).host.alive).toBe(true);
  await clock.advance(14_000);
  await eventually(
    'the host is down',
    async () => !(await getHost(world.environment, parseHostId('id', 'a'), never)).host.alive,
  );
});

test('an errand begun here is run at once, without waiting for its time', async () => {
  const world = new World();
  const bell = new Doorbell();
  const environment = {
    ...world.environment,
    errandBegun: () => {
      bell.ring();
    },
  };
  await world.host('a', '10.0.0.1');
  const { id } = await world.network();
  const port = await world.port(id, { hostId: parseHostId('id', 'a') });
  await using _loop = running((signal) => errandLoop(environment, bell, signal));
  await eventually('it rests', () => world.clock.sleeping === 1);
  await updateNetwork(
    environment,
    { id, etag: '', settings: { adminStateUp: false } },
    unasked('UpdateNetwork'),
    never,
  );
  await eventually('the port is down', async () => (await getPort(environment, port.id, never)).status === 'down');
});

test('a ring while nobody rests is not forgotten', async () => {
  const { clock } = new World();
  const bell = new Doorbell();
  bell.ring();
  await bell.rest(1_000, clock, never);
  const resting = bell.rest(1_000, clock, never);
  await clock.advance(1_000);
  await resting;
  expect(clock.sleeping).toBe(0);
});
