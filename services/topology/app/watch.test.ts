import { expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { parseHostId } from '#platform/net/names.ts';
import { World } from '../testing/world.ts';
import type { Feed, FeedEntry, FeedPosition } from './feed.ts';
import { watch, type WatchItem } from './watch.ts';

/** A log of changes that a test writes. */
class FakeFeed implements Feed {
  readonly entries: FeedEntry[] = [];
  followers = 0;
  #wake = Promise.withResolvers<undefined>();

  add(kind: FeedEntry['kind']): void {
    this.entries.push({ kind, payload: new Uint8Array(), position: at(this.entries.length + 1) });
    this.#wake.resolve(undefined);
    this.#wake = Promise.withResolvers();
  }

  end(): Promise<FeedPosition> {
    return Promise.resolve(at(this.entries.length));
  }

  async *follow({ sequence }: FeedPosition, signal: AbortSignal): AsyncGenerator<FeedEntry, void> {
    this.followers += 1;
    const aborted = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve(undefined);
      });
    });
    try {
      for (let next = sequence; !signal.aborted;) {
        const entry = this.entries[next];
        if (entry === undefined) await Promise.race([this.#wake.promise, aborted]);
        else {
          next += 1;
          yield entry;
        }
      }
    } finally {
      this.followers -= 1;
    }
  }
}

const at = (sequence: number): FeedPosition => ({ log: 'x', sequence });

const shown = (item: WatchItem): string => {
  switch (item.kind) {
    case 'snapshot':
      return `snapshot ${item.resource.kind}`;
    case 'bookmark':
      return `bookmark ${item.position.sequence.toString()}`;
    case 'change':
      return `change ${item.entry.position.sequence.toString()}`;
  }
};

/** Watches until `count` items have come. */
const reading = (world: World, feed: Feed, kinds: readonly FeedEntry['kind'][], since?: FeedPosition) => {
  const seen: string[] = [];
  const halt = new AbortController();
  const done = (async () => {
    for await (const item of watch(world.environment, feed, { kinds: new Set(kinds), since }, halt.signal))
      seen.push(shown(item));
  })();
  const ended = done.catch((error: unknown) => error);
  return {
    seen,
    halt: async () => {
      halt.abort(new Error('enough'));
      return await ended;
    },
  };
};

test('a watch tells what there is, then what changes of its kinds, and a bookmark when it has been quiet', async () => {
  const world = new World();
  const feed = new FakeFeed();
  await world.host('a', '10.0.0.1');
  const network = await world.network();
  await world.port(network.id, { hostId: parseHostId('id', 'a') });
  feed.add('port');
  const { seen, halt } = reading(world, feed, ['network', 'port']);
  await eventually('the snapshot is there', () => seen.length === 3);
  feed.add('host');
  feed.add('port');
  feed.add('host');
  await eventually('a change is there', () => seen.length === 4);
  await eventually('it waits for the next', () => world.clock.sleeping === 1);
  await world.clock.advance(29_999);
  expect(seen).toHaveLength(4);
  await world.clock.advance(1);
  // What it was not asked for counts: who resumes there need not see it again.
  await eventually('a bookmark is there', () => seen.length === 5);
  expect(seen).toEqual(['snapshot network', 'snapshot port', 'bookmark 1', 'change 3', 'bookmark 4']);
  expect(await halt()).toEqual(new Error('enough'));
  expect(feed.followers).toBe(0);
  expect(world.clock.sleeping).toBe(0);
});

test('a watch that resumes gets the changes since, and no snapshot', async () => {
  const world = new World();
  const feed = new FakeFeed();
  await world.network();
  for (let entry = 0; entry < 3; entry += 1) feed.add('network');
  const { seen, halt } = reading(world, feed, ['network'], at(1));
  await eventually('the changes are there', () => seen.length === 2);
  expect(seen).toEqual(['change 2', 'change 3']);
  await halt();
});
