import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { derivedId } from './derived-id.ts';

/** Owner of ports that DHCP is served at. */
export const DHCP_OWNER = 'network:dhcp' as ResourceName;

/** Owner of a router's ports inside. */
export const ROUTER_INTERFACE_OWNER = 'network:router_interface' as ResourceName;
/** Owner of a router's port outside. */
export const ROUTER_GATEWAY_OWNER = 'network:router_gateway' as ResourceName;
/** Owner of ports that hold the address of a floating IP; they are bound nowhere. */
export const FLOATING_IP_OWNER = 'network:floatingip' as ResourceName;

/**
 * Whether ports of this owner belong to topology itself: it makes them and says which host serves them. No host's report
 * of a device moves them.
 */
export const isServed = (deviceOwner: string): boolean => deviceOwner.startsWith('network:');

/** What a network's ports for DHCP have as their device. */
export const dhcpDeviceId = (networkId: Uuid): ResourceName => `dhcp-${networkId}` as ResourceName;

/** The port of a network's DHCP server: the first is 0. The same for everybody, so that nobody makes a second one. */
export const dhcpPortId = (networkId: Uuid, ordinal: number): Uuid => derivedId('dhcp', networkId, ordinal.toString());
