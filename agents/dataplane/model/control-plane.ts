import type { Carrier, LazyCarrier } from '#platform/telemetry/spans.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { EntryChange, ForwardingEntry } from './intent.ts';
import type { PortSecurity } from './port-security.ts';

/** What is known of a device when its port is asked for. */
export interface DeviceReport {
  readonly device: string;
  readonly portId?: string;
  readonly mac?: MacAddress;
  /** The network whose bridge it is in. */
  readonly networkId?: string;
  /** The guest it belongs to. */
  readonly vmId?: string;
}

/** topology's answer: the port as bound, and all that is needed to plug it. */
export interface PortBinding {
  readonly portId: string;
  readonly networkId: Uuid;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly generation: bigint;
  readonly security: PortSecurity;
  /** The host it is bound to: another one when this host's claim lost. */
  readonly hostId: string;
  readonly networkType: 'vxlan' | 'flat' | 'vlan';
  /** The VNI of a vxlan network, the VLAN of a vlan network. */
  readonly segmentationId: number;
  /** Of flat and vlan networks; empty of others. */
  readonly physicalNetwork: string;
  readonly mtu: number;
  /** Both the port and its network are administratively up. */
  readonly adminUp: boolean;
}

/** topology, as a host's agent uses it. Throws DomainError. */
export interface PortRegistry {
  register(signal: AbortSignal): Promise<void>;
  /** Throws `not_found` when the host must register again. */
  renew(signal: AbortSignal): Promise<void>;
  /** Throws `not_found` when no port is meant by the device. */
  portUp(report: DeviceReport, signal: AbortSignal): Promise<PortBinding>;
  portDown(port: { portId: string; generation: bigint; device: string }, signal: AbortSignal): Promise<void>;
  portFailed(port: { portId: string; generation: bigint; message: string }, signal: AbortSignal): Promise<void>;
}

/** What topology says of a network, as far as it concerns how its frames travel. */
export type NetworkDescription = Pick<PortBinding, 'networkType' | 'segmentationId' | 'physicalNetwork' | 'mtu'>;

/** Networks as topology knows them. Throws DomainError, `not_found` among them. */
export interface NetworkDirectory {
  network(networkId: string, signal: AbortSignal): Promise<NetworkDescription>;
}

/** The changes that led to one revision. */
export interface TableChange {
  readonly baseRevision: bigint;
  readonly revision: bigint;
  readonly cause: string;
  readonly changes: readonly EntryChange[];
}

/** A complete table. */
export interface TableSnapshot {
  readonly revision: bigint;
  readonly entries: readonly ForwardingEntry[];
}

/** What this host holds of a network, for l2pop's books. */
export interface HeldNetwork {
  readonly networkId: string;
  readonly revision: bigint;
  readonly digest: string;
  readonly digestRevision: bigint;
  /** Rows repaired that no report has told of yet. */
  readonly driftRepaired: number;
}

export interface Advice {
  readonly networkId: string;
  readonly advice: 'fetch-changes' | 'resync';
}

/** l2pop, as a host's agent uses it. Throws DomainError. */
export interface ForwardingSource {
  /** The whole table at one revision; `onPart` hears of its entries as they come, before it is known to be whole. */
  snapshot(
    networkId: string,
    signal: AbortSignal,
    onPart?: (entries: readonly ForwardingEntry[]) => void,
  ): Promise<TableSnapshot>;
  /** The changes after `since`, oldest first and without holes. Throws `out_of_range` when they are gone. */
  changesSince(networkId: string, since: bigint, signal: AbortSignal): Promise<readonly TableChange[]>;
  report(networks: readonly HeldNetwork[], signal: AbortSignal): Promise<readonly Advice[]>;
}

/** The bus: deltas down, acknowledgements up; both may be lost. */
export interface ForwardingFeed {
  readonly connected: boolean;
  /** Deltas of a network, each with the trace it came in. */
  subscribe(networkId: string, onDelta: (delta: TableChange, cause: LazyCarrier) => void): AsyncDisposable;
  /** Resolves when the bus has taken in all subscriptions so far: what is published after it arrives. At once while away. */
  flush(signal: AbortSignal): Promise<void>;
  ack(networkId: string, revision: bigint, cause: Carrier): void;
}
