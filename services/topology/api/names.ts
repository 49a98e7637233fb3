import { invalidField } from '#platform/errors/domain-error.ts';
import { HostRole as RoleMessage, HostStatus, Status } from '#proto/weft/topology/v1/topology.ts';
import { Driver as DriverMessage, NetworkType as NetworkTypeMessage } from '#proto/weft/type/v1/network.ts';
import type { Driver, HostRole } from '../domain/host.ts';
import type { NetworkType } from '../domain/network.ts';
import type { PortStatus } from '../domain/port.ts';

const DRIVERS = {
  linuxbridge: DriverMessage.DRIVER_LINUXBRIDGE,
  ovs: DriverMessage.DRIVER_OVS,
} as const satisfies Record<Driver, DriverMessage>;

const NETWORK_TYPES = {
  vxlan: NetworkTypeMessage.NETWORK_TYPE_VXLAN,
  flat: NetworkTypeMessage.NETWORK_TYPE_FLAT,
  vlan: NetworkTypeMessage.NETWORK_TYPE_VLAN,
} as const satisfies Record<NetworkType, NetworkTypeMessage>;

const STATUSES = {
  build: Status.STATUS_BUILD,
  active: Status.STATUS_ACTIVE,
  down: Status.STATUS_DOWN,
  error: Status.STATUS_ERROR,
} as const satisfies Record<PortStatus, Status>;

const ROLES = { network: RoleMessage.HOST_ROLE_NETWORK } as const satisfies Record<HostRole, RoleMessage>;

export const roleMessage = (role: HostRole): RoleMessage => ROLES[role];
export const driverMessage = (driver: Driver): DriverMessage => DRIVERS[driver];
export const networkTypeMessage = (type: NetworkType): NetworkTypeMessage => NETWORK_TYPES[type];
export const statusMessage = (status: PortStatus): Status => STATUSES[status];
export const hostStatusMessage = (alive: boolean): HostStatus =>
  alive ? HostStatus.HOST_STATUS_ACTIVE : HostStatus.HOST_STATUS_DOWN;

/** Throws `invalid` for a driver that is missing or unknown. */
export const readDriver = (field: string, message: DriverMessage): Driver => {
  if (message === DriverMessage.DRIVER_LINUXBRIDGE) return 'linuxbridge';
  if (message === DriverMessage.DRIVER_OVS) return 'ovs';
  throw invalidField(field, message, 'is not DRIVER_LINUXBRIDGE or DRIVER_OVS');
};

/** Throws `invalid` for a role that is not given or unknown. */
export const readRole = (field: string, message: RoleMessage): HostRole => {
  if (message === RoleMessage.HOST_ROLE_NETWORK) return 'network';
  throw invalidField(field, message, 'is not HOST_ROLE_NETWORK');
};

/** VXLAN where none is given. Throws `invalid` for an unknown one. */
export const readNetworkType = (field: string, message: NetworkTypeMessage): NetworkType => {
  switch (message) {
    case NetworkTypeMessage.NETWORK_TYPE_UNSPECIFIED:
    case NetworkTypeMessage.NETWORK_TYPE_VXLAN:
      return 'vxlan';
    case NetworkTypeMessage.NETWORK_TYPE_FLAT:
      return 'flat';
    case NetworkTypeMessage.NETWORK_TYPE_VLAN:
      return 'vlan';
    case NetworkTypeMessage.UNRECOGNIZED:
      throw invalidField(field, message, 'is not a network type');
  }
};
