import type { IpAddress } from '#platform/net/ip-address.ts';
import type { LazyCarrier } from '#platform/telemetry/spans.ts';
import type { ForwardingEntry, LocalPort, NetworkFacts } from '../model/intent.ts';
import type { PortSecurity } from '../model/port-security.ts';
import type { TableChange, TableSnapshot } from '../model/control-plane.ts';

/** What can change a network's desired state; taken in order, all that waits at once. */
export type WorkerInput =
  | { readonly kind: 'delta'; readonly delta: TableChange; readonly cause: LazyCarrier }
  | { readonly kind: 'changes'; readonly changes: readonly TableChange[]; readonly cause: LazyCarrier }
  | { readonly kind: 'snapshot'; readonly snapshot: TableSnapshot; readonly cause: LazyCarrier }
  /** Entries of a snapshot that is still coming, for a table that has none yet: they may be added, nothing follows from them. */
  | { readonly kind: 'part'; readonly entries: readonly ForwardingEntry[]; readonly cause: LazyCarrier }
  | { readonly kind: 'facts'; readonly facts: NetworkFacts; readonly cause: LazyCarrier }
  | { readonly kind: 'plug'; readonly port: LocalPort; readonly cause: LazyCarrier }
  | { readonly kind: 'secure'; readonly portId: string; readonly security: PortSecurity; readonly cause: LazyCarrier }
  | { readonly kind: 'unplug'; readonly portId: string; readonly cause: LazyCarrier }
  | { readonly kind: 'flood'; readonly address: IpAddress; readonly present: boolean; readonly cause: LazyCarrier };
