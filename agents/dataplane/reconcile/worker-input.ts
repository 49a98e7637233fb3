import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Carrier } from '#platform/telemetry/spans.ts';
import type { ForwardingEntry, LocalPort, NetworkFacts } from '../model/intent.ts';
import type { PortSecurity } from '../model/port-security.ts';
import type { TableChange, TableSnapshot } from '../model/control-plane.ts';

/** What can change a network's desired state; taken in order, all that waits at once. */
export type WorkerInput =
  | { readonly kind: 'delta'; readonly delta: TableChange; readonly cause: Carrier }
  | { readonly kind: 'changes'; readonly changes: readonly TableChange[]; readonly cause: Carrier }
  | { readonly kind: 'snapshot'; readonly snapshot: TableSnapshot; readonly cause: Carrier }
  /** Entries of a snapshot that is still coming, for a table that has none yet: they may be added, nothing follows from them. */
  | { readonly kind: 'part'; readonly entries: readonly ForwardingEntry[]; readonly cause: Carrier }
  | { readonly kind: 'facts'; readonly facts: NetworkFacts; readonly cause: Carrier }
  | { readonly kind: 'plug'; readonly port: LocalPort; readonly cause: Carrier }
  | { readonly kind: 'secure'; readonly portId: string; readonly security: PortSecurity; readonly cause: Carrier }
  | { readonly kind: 'unplug'; readonly portId: string; readonly cause: Carrier }
  | { readonly kind: 'flood'; readonly address: IpAddress; readonly present: boolean; readonly cause: Carrier };
