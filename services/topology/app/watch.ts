import type { Clock } from '#platform/async/clock.ts';
import { follow } from '#platform/async/follow.ts';
import { vtepOf } from '../domain/host.ts';
import type { Environment, Resource } from './environment.ts';
import type { Feed, FeedEntry, FeedPosition, ResourceKind } from './feed.ts';
import {
  listFloatingIps,
  listHosts,
  listNetworks,
  listPorts,
  listRouters,
  type Listed,
  type PageRequest,
} from './queries.ts';

/** What a watcher gets: first what is, a bookmark, then what changes, and a bookmark now and then. */
export type WatchItem =
  | { readonly kind: 'snapshot'; readonly resource: Resource }
  | { readonly kind: 'bookmark'; readonly position: FeedPosition }
  | { readonly kind: 'change'; readonly entry: FeedEntry };

const PAGE = 500;
const BOOKMARK_MS = 30_000;

/**
 * Streams `kinds`: from `since`, or with everything there is first. The log's end is taken before the snapshot begins, so
 * whatever happens while that is read comes afterwards: some changes are seen twice, none is missed.
 */
export async function* watch(
  environment: Environment,
  feed: Feed,
  { kinds, since }: { readonly kinds: ReadonlySet<ResourceKind>; readonly since: FeedPosition | undefined },
  signal: AbortSignal,
): AsyncGenerator<WatchItem, void> {
  let position = since;
  if (position === undefined) {
    position = await feed.end(signal);
    for await (const resource of snapshot(environment, kinds, signal)) yield { kind: 'snapshot', resource };
    yield { kind: 'bookmark', position };
  }
  using ended = follow(signal);
  const entries = feed.follow(position, ended.signal)[Symbol.asyncIterator]();
  try {
    let next = entries.next();
    for (;;) {
      const result = await within(environment.clock, BOOKMARK_MS, next, signal);
      if (result === 'late') {
        yield { kind: 'bookmark', position };
        continue;
      }
      if (result.done === true) return;
      position = result.value.position;
      if (kinds.has(result.value.kind)) yield { kind: 'change', entry: result.value };
      next = entries.next();
    }
  } finally {
    ended.abort();
    await entries.return?.();
  }
}

async function* snapshot(
  environment: Environment,
  kinds: ReadonlySet<ResourceKind>,
  signal: AbortSignal,
): AsyncGenerator<Resource, void> {
  if (kinds.has('host')) {
    for await (const { host, lease } of all((page) => listHosts(environment, page, signal))) {
      yield { kind: 'host', host, lease };
    }
  }
  if (kinds.has('network')) {
    for await (const network of all((page) => listNetworks(environment, '', page, signal)))
      yield { kind: 'network', network };
  }
  if (kinds.has('port')) yield* portSnapshot(environment, signal);
  if (kinds.has('router')) {
    for await (const router of all((page) => listRouters(environment, '', page, signal)))
      yield { kind: 'router', router };
  }
  if (kinds.has('floating_ip')) {
    for await (const floatingIp of all((page) => listFloatingIps(environment, page, signal)))
      yield { kind: 'floating_ip', floatingIp };
  }
}

async function* portSnapshot(environment: Environment, signal: AbortSignal): AsyncGenerator<Resource, void> {
  const { store, records } = environment;
  let after: string | undefined;
  do {
    const { items, next } = await listPorts(environment, { by: 'all' }, { after, limit: PAGE }, signal);
    const hostIds = [
      ...new Set(items.flatMap(({ binding }) => (binding.hostId === undefined ? [] : [binding.hostId]))),
    ];
    const hosts = await store.transact((tx) => tx.getMany(records.hosts, hostIds), signal);
    const vteps = new Map(hosts.flatMap((host) => (host === undefined ? [] : [[host.value.id, vtepOf(host.value)]])));
    for (const port of items) {
      const { hostId } = port.binding;
      yield { kind: 'port', port, vtep: hostId === undefined ? undefined : vteps.get(hostId) };
    }
    after = next;
  } while (after !== undefined);
}

async function* all<T>(list: (page: PageRequest) => Promise<Listed<T>>): AsyncGenerator<T, void> {
  let after: string | undefined;
  do {
    const { items, next } = await list({ after, limit: PAGE });
    yield* items;
    after = next;
  } while (after !== undefined);
}

const within = async <T>(clock: Clock, ms: number, promise: Promise<T>, signal: AbortSignal): Promise<T | 'late'> => {
  using timer = follow(signal);
  try {
    return await Promise.race([promise, clock.sleep(ms, timer.signal).then(() => 'late' as const)]);
  } finally {
    timer.abort();
  }
};
