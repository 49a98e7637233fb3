import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { ResourceName, Uuid } from '#platform/net/names.ts';
import type { Binding } from './binding.ts';
import type { Lifetime } from './lifetime.ts';

export interface FixedIp {
  readonly subnetId: Uuid;
  readonly ipAddress: IpAddress;
}

/** A further source that a port may use. */
export interface AddressPair {
  /** Absent: the port's own. */
  readonly mac?: MacAddress;
  /** An address or a CIDR, canonical. */
  readonly ip: string;
}

/** What may be changed of a port, but for its binding. */
export interface PortSettings {
  readonly name: ResourceName;
  readonly deviceId: ResourceName;
  readonly deviceOwner: ResourceName;
  readonly adminStateUp: boolean;
  readonly allowedAddressPairs: readonly AddressPair[];
  readonly portSecurityEnabled: boolean;
}

export type PortStatus = 'build' | 'active' | 'down' | 'error';

/** An attachment point of a network: a guest's interface. */
export interface Port extends PortSettings, Lifetime {
  readonly id: Uuid;
  readonly networkId: Uuid;
  readonly mac: MacAddress;
  readonly fixedIps: readonly FixedIp[];
  readonly binding: Binding;
  /** As {@link statusOf} says; kept, so that a reader need not fetch the network. */
  readonly status: PortStatus;
}

/**
 * BUILD until first bound; then ERROR where its host refused it, ACTIVE where it is bound, DOWN where it is bound nowhere
 * or it or its network is administratively down.
 */
export const statusOf = (port: Pick<Port, 'binding' | 'adminStateUp'>, networkUp: boolean): PortStatus => {
  const { hostId, generation, failure } = port.binding;
  if (generation === 0) return 'build';
  if (failure !== undefined) return 'error';
  return hostId !== undefined && port.adminStateUp && networkUp ? 'active' : 'down';
};

/** With the status it should have; the very same value when it has it. */
export const restated = (port: Port, networkUp: boolean): Port => {
  const status = statusOf(port, networkUp);
  return status === port.status ? port : { ...port, status };
};
