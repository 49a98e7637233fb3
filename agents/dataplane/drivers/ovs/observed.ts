import type { ObservedNetwork } from '../../model/host.ts';
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
  /** The interface index that the device had when the agent put it there. */
  readonly index?: number;
}

/** Ports of the integration bridge, by device. */
export type SwitchPorts = ReadonlyMap<string, SwitchPort>;

/** One network as the switch has it. */
export interface ObservedOvsNetwork extends ObservedNetwork {
  /** Its mark on the integration bridge: the id of the network that has its VNI. */
  readonly mark?: string;
  /** Its flows, with the names that ports have now. */
  readonly flows: readonly FlowSpec[];
  readonly ports: SwitchPorts;
  /** Devices of its ports that exist on the host, in the bridge or not. */
  readonly devices: ReadonlySet<string>;
  /** Those of them by which guests reach the host's own IP stack. */
  readonly exposed: ReadonlySet<string>;
  /** Interface indexes of those that the kernel has. */
  readonly indexes?: ReadonlyMap<string, number>;
}
