/** A place in the log of changes. */
export interface FeedPosition {
  /** Which log: another one begins when the bus has lost the old. */
  readonly log: string;
  /** Of the last change before this place; 0: the beginning. */
  readonly sequence: number;
}

export type ResourceKind = 'host' | 'network' | 'port' | 'router' | 'floating_ip';

/** One change, as it was announced. */
export interface FeedEntry {
  readonly kind: ResourceKind;
  readonly payload: Uint8Array;
  /** The place after it. */
  readonly position: FeedPosition;
}

/** The log of announced changes, shared by all replicas, kept for a while. */
export interface Feed {
  /** Where it ends now. Throws `unavailable`. */
  end(signal: AbortSignal): Promise<FeedPosition>;
  /**
   * Every change after `position`, in the log's order, for ever. Throws `out_of_range` WATCH_EXPIRED when some of them are
   * no longer kept, `unavailable` when the bus goes away, the signal's reason when it aborts.
   */
  follow(position: FeedPosition, signal: AbortSignal): AsyncIterable<FeedEntry>;
}
