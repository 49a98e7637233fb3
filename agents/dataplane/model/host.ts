import type { Operation, Outcome } from './operation.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { HostInterface, InterfaceRoute } from './interface.ts';
import type { HostIdentity, LocalPort, NetworkChange, NetworkFacts, NetworkIntent } from './intent.ts';
import type { SpoofedFrames } from './port-security.ts';
import type { Rows } from './rows.ts';

/** A network device appeared, changed or went away. */
export interface LinkEvent {
  readonly kind: 'present' | 'gone';
  readonly name: string;
  readonly index: number;
  /** The bridge it is in, when it is in one. */
  readonly master?: string;
  /** The guest's, where the host's records tell it (OVS `attached-mac`), else the device's own. */
  readonly mac?: string;
  /** The port it is for, where the host's records tell it (OVS `iface-id`). */
  readonly portId?: string;
  /** The guest it belongs to, where the host's records tell it (OVS `vm-id`). */
  readonly vmId?: string;
}

/** Something moved in the kernel that this agent may not have done. */
export type KernelEvent =
  | { readonly kind: 'link'; readonly link: LinkEvent }
  /** A row of one of our devices was deleted or points elsewhere than last written; `device` tells which network. */
  | { readonly kind: 'row'; readonly device: string; readonly line: string }
  /** Something that makes the network of that VNI was changed by somebody else. */
  | { readonly kind: 'network'; readonly vni: Vni }
  /** What ports may send was changed by somebody else, of one network or of all. */
  | { readonly kind: 'guards'; readonly message: string }
  /** Every device that was there at the start has been told of. */
  | { readonly kind: 'listed' }
  /** Events were lost: everything must be looked at again. */
  | { readonly kind: 'overrun' }
  /** All that was written is gone (a switch was restarted): everything must be written again, now. */
  | { readonly kind: 'wiped' }
  /** What all networks share differed from what it should be; what was done about it. */
  | { readonly kind: 'repaired'; readonly outcomes: readonly Outcome[] }
  /** Something that will break traffic and that the agent cannot mend itself; the message ends in what does. */
  | { readonly kind: 'warning'; readonly device: string; readonly message: string };

/** The devices that make a network on a host. */
export interface NetworkDevices {
  /** What its ports are plugged into. */
  readonly bridge: string;
  /** What its remote ports are reached through. */
  readonly tunnel: string;
}

/** What a driver read back of one network; driver-specific beyond the rows. */
export interface ObservedNetwork {
  readonly rows: Rows;
}

/**
 * A way to realise intents on a host. `plan…` are pure; the others are the I/O. A driver touches only what it marked as
 * its own.
 */
export interface Dataplane<Observed extends ObservedNetwork = ObservedNetwork> {
  readonly name: 'linuxbridge' | 'ovs';
  /** Where a network is on this host. Networks may share both. */
  devicesOf(network: NetworkFacts): NetworkDevices;
  /** Whether a device of this name is of the agent's own making and no guest's. */
  isOwnDevice(name: string): boolean;
  /** Why the host as it is now cannot have a network that it does not hold yet, as one sentence; undefined when it can. */
  refusal?(network: NetworkFacts, signal: AbortSignal): Promise<string | undefined>;
  /** Reads back one network as the kernel has it now. */
  observe(intent: NetworkIntent, signal: AbortSignal): Promise<Observed>;
  /** Networks (bridges, VXLAN devices) of ours that exist on the host, however they came to be, by network id. */
  observeOwned(signal: AbortSignal): Promise<ReadonlyMap<string, OwnedNetwork>>;
  /** desired − observed, in order. Empty when the host is right. Whoever asks sees to it that `intent` stays as it is. */
  plan(
    host: HostIdentity,
    intent: NetworkIntent,
    observed: Observed,
    signal: AbortSignal,
  ): Promise<readonly Operation[]>;
  /**
   * The steps for a change of an intent whose state before it the kernel holds: no observation, cost proportional to
   * the change. `intent` is the state after it.
   */
  planChange(host: HostIdentity, intent: NetworkIntent, change: NetworkChange): readonly Operation[];
  /**
   * Steps of `planChange` for a port about to be plugged that may be done before and beside all else for its network, where a
   * driver has such; none when they are done.
   */
  planAhead?(network: NetworkFacts, port: LocalPort): readonly Operation[];
  /** Steps for what all networks of the host share, where a driver has such. */
  planShared?(signal: AbortSignal): Promise<readonly Operation[]>;
  /** Takes a network away that should not be here. */
  planRemoval(owned: OwnedNetwork): readonly Operation[];
  /** One outcome per operation, in order; rejects only when the kernel's tools cannot be reached at all. */
  apply(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]>;
  /** The commands by which a port of that network is kept from sending what is not its own; none when it is not checked. */
  guardOf(network: NetworkFacts, port: LocalPort): readonly Operation[];
  /** Frames of these devices that were dropped for what they claimed, since their rules were first written. */
  spoofedFrames(devices: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, SpoofedFrames>>;
  /** Device events since start, and a present event for each device that is there at start. */
  events(signal: AbortSignal): AsyncIterable<KernelEvent>;
}

/** A network of ours as its mark on the host tells. */
export interface OwnedNetwork {
  readonly networkId: Uuid;
  /** Where the mark tells it. */
  readonly vni?: Vni;
  /** Its own devices; none where networks share them. */
  readonly devices: readonly string[];
  /** Devices in its bridge that are to be let go with it. */
  readonly ports?: readonly string[];
  /** The bridge to its physical network; `isLast` when no other network here needs it. */
  readonly providerBridge?: { readonly name: string; readonly isOurs: boolean; readonly isLast: boolean };
  readonly home?: OwnedHome;
}

/** What of the host's own a bridge bears. */
export interface OwnedHome {
  readonly at: HostInterface;
  readonly routes: readonly InterfaceRoute[];
  /** The interface that it came from. */
  readonly of: string;
  /** Settings of that, as `name=value`, that it has to have again first. */
  readonly settings?: readonly string[];
}
