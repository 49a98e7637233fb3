/** What a driver is told of the ways from its host to physical networks. */
export interface UplinkSettings {
  readonly hostId: string;
  /** By physical network, the device that leads to it. */
  readonly mappings: ReadonlyMap<string, string>;
  /** Whether addresses of the host's own may move with an interface into a bridge. */
  readonly movesAddresses: boolean;
  /** Milliseconds within which the control plane must be reached after such a move; else it is undone. */
  readonly reachWithinMs: number;
  /** Resolves when the control plane answers; rejects when it does not. */
  readonly reach: (signal: AbortSignal) => Promise<void>;
}

/** Of a host that has none. */
export const NO_UPLINKS: UplinkSettings = {
  hostId: '',
  mappings: new Map(),
  movesAddresses: false,
  reachWithinMs: 0,
  reach: async () => Promise.resolve(),
};
