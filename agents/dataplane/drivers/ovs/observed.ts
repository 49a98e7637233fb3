import type { ObservedNetwork } from '../../model/host.ts';
import type { HostInterface, InterfaceRoute } from '../../model/interface.ts';
import type { FlowSpec } from './flow-spec.ts';

/** A port of the integration bridge, as the switch's database has it. */
export interface SwitchPort {
  readonly device: string;
  /** The number that flows know it by; absent until the switch has given one, or when it cannot open the device. */
  readonly ofport?: number;
  /** What the switch says against it. */
  readonly error?: string;
  /** Whether the agent put it there: then it is the agent's to take away. */
  readonly isOurs: boolean;
  /** The network for which the agent put it there. */
  readonly networkOf?: string;
  /** The MTU that the switch is asked to give it. */
  readonly mtuRequest?: number;
  /** Of a patch port: the other end. */
  readonly peer?: string;
  /** The interface index that the device had when the agent put it there. */
  readonly index?: number;
}

/** Ports of the integration bridge, by device. */
export type SwitchPorts = ReadonlyMap<string, SwitchPort>;

/** The bridge that leads to a physical network, as the switch has it. */
export interface ObservedProvider {
  /** Absent when there is none. */
  readonly bridge?: { readonly datapathType: string; readonly failMode?: string | undefined; readonly isOurs: boolean };
  readonly ports: SwitchPorts;
  /** Those that the agent is to have there; none can be read of a bridge that is not there. */
  readonly flows: readonly FlowSpec[];
  /** What the integration bridge's mark says of the network: its physical network. */
  readonly mark?: string | undefined;
  /** The datapath that the integration bridge has: bridges with a cable between them have the same. */
  readonly datapathType: string;
  readonly own: ObservedOwn;
}

/** What of the host's own is where networks meet their physical network. */
export interface ObservedOwn {
  /** The interface, with addresses that are to move to the bridge's own device. */
  readonly moving?: { readonly device: HostInterface; readonly routes: readonly InterfaceRoute[] };
  /** The bridge's own device, when it bears addresses of the host. */
  readonly local?: HostInterface;
  /** Whether the host's IP stack hears, on the interface itself, what is for that device. */
  readonly isExposed: boolean;
}

/** One network as the switch has it. */
export interface ObservedOvsNetwork extends ObservedNetwork {
  /** Its mark on the integration bridge: the id of the network that has its VNI. */
  readonly mark?: string;
  /** Its flows, with the names that ports have now. */
  readonly flows: readonly FlowSpec[];
  readonly ports: SwitchPorts;
  /** Of a network on a physical network: what leads there. */
  readonly provider?: ObservedProvider;
  /** Devices of its ports that exist on the host, in the bridge or not. */
  readonly devices: ReadonlySet<string>;
  /** Those of them by which guests reach the host's own IP stack. */
  readonly exposed: ReadonlySet<string>;
  /** Interface indexes of those that the kernel has. */
  readonly indexes?: ReadonlyMap<string, number>;
}
