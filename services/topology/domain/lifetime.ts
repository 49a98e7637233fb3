/** What every stored resource carries about its own life. */
export interface Lifetime {
  /** Grows with each visible change, over deletion and creation anew as well (for a day); orders what is heard of it. */
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970 of the last visible change. */
  readonly updatedAt: number;
}

/**
 * Says that somebody is deleting this resource: checks what still uses it, and then removes it. While the mark stands
 * nothing new may come to use it, so the check stays true until the removal.
 */
export interface DeletionMark {
  /** Whose deletion it is. */
  readonly token: string;
  /** Milliseconds since 1970: whoever was deleting has crashed, the mark is void and the next to write removes it. */
  readonly until: number;
}

export interface Markable {
  readonly deletion?: DeletionMark;
}

/** How long a deletion may take before others go on without it. */
export const DELETION_MS = 10_000;

/** Whether the mark stands. */
export const isBeingDeleted = ({ deletion }: Markable, now: number): boolean =>
  deletion !== undefined && deletion.until > now;

/** Without its mark; the very same value when there was none. */
export const unmarked = <T extends Markable>(resource: T): T => {
  if (resource.deletion === undefined) return resource;
  const { deletion: _deletion, ...rest } = resource;
  // Only the optional mark is missing from it.
  return rest as T;
};
