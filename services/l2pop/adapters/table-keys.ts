/** The keys of one network's table; its hash tag keeps them on one node of a cluster. */
export interface TableKeys {
  readonly state: string;
  readonly hosts: string;
  readonly entries: string;
  readonly tombstones: string;
  readonly tombstoneEnds: string;
  readonly changes: string;
  readonly acks: string;
}

export const tableKeys = (networkId: string): TableKeys => {
  const prefix = `weft:{l2pop:${networkId}}:`;
  return {
    state: `${prefix}state`,
    hosts: `${prefix}hosts`,
    entries: `${prefix}entries`,
    tombstones: `${prefix}tombstones`,
    tombstoneEnds: `${prefix}tombstone-ends`,
    changes: `${prefix}changes`,
    acks: `${prefix}acks`,
  };
};

/** All of them, in the order in which the scripts unpack them. */
export const allKeys = (keys: TableKeys): readonly string[] => [
  keys.state,
  keys.hosts,
  keys.entries,
  keys.tombstones,
  keys.tombstoneEnds,
  keys.changes,
  keys.acks,
];

/** The ids of all networks that have or may get a table: a sorted set, so that they can be paged. */
export const NETWORKS_KEY = 'weft:{l2pop}:networks';
