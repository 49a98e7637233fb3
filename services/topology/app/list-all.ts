import type { Collection, Store } from '#platform/store/store.ts';

const PAGE = 500;

/** All records, or all under an index, in id order. */
export const listAll = async <T>(
  store: Store,
  from: Collection<T>,
  index: string | undefined,
  signal: AbortSignal,
): Promise<readonly T[]> => {
  const found: T[] = [];
  let after: string | undefined;
  do {
    const options = {
      ...(index === undefined ? {} : { index }),
      ...(after === undefined ? {} : { after }),
      limit: PAGE,
    };
    const page = await store.list(from, options, signal);
    found.push(...page.items.map(({ value }) => value));
    after = page.next;
  } while (after !== undefined);
  return found;
};

/** Those of `ids` that exist. */
export const getAll = async <T>(
  store: Store,
  from: Collection<T>,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly T[]> => {
  const found: T[] = [];
  for (let at = 0; at < ids.length; at += PAGE) {
    const some = await store.transact((tx) => tx.getMany(from, ids.slice(at, at + PAGE)), signal);
    found.push(...some.flatMap((record) => (record === undefined ? [] : [record.value])));
  }
  return found;
};
