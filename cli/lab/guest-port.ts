import { invalidField } from '#platform/errors/domain-error.ts';
import { ADDRESS_BITS, ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseUuid, tapName } from '#platform/net/names.ts';
import type { GuestPort } from './record.ts';

/** The port a guest is behind, as topology knows it. */
export interface GuestPortSpec {
  /** A UUID; its first 11 characters name the tap. */
  readonly id: string;
  readonly mac: string;
  readonly ips: readonly { readonly address: string; readonly prefix: number }[];
  /** Routers for all else, at most one for each IP version; none when left out. */
  readonly gateways?: readonly string[];
  /** Of the guest's device and of the tap. */
  readonly mtu: number;
}

/** What a device has that nobody has told of its network's MTU. */
export const ETHERNET_MTU = 1_500;

/** The guest's own device, and what stands in for it while it moves. */
export const GUEST_DEVICE = 'eth0';
export const INCOMING_DEVICE = 'mig0';
export const OUTGOING_DEVICE = 'old0';

/** Reads a port. Throws `invalid` naming the field. */
export const parseGuestPort = (spec: GuestPortSpec): GuestPort => ({
  id: parseUuid('port.id', spec.id),
  mac: parseMac('port.mac', spec.mac),
  ips: spec.ips.map(({ address, prefix }, at) => {
    const ip = parseUnicastIp(`port.ips[${at.toString()}].address`, address);
    if (!Number.isInteger(prefix) || prefix < 1 || prefix > ADDRESS_BITS[ipVersion(ip)]) {
      throw invalidField(`port.ips[${at.toString()}].prefix`, prefix, `is not a prefix length of ${ip}`);
    }
    return { address: ip, prefix };
  }),
  gateways: (spec.gateways ?? []).map((gateway, at) => parseUnicastIp(`port.gateways[${at.toString()}]`, gateway)),
  mtu: parseMtu('port.mtu', spec.mtu),
});

/** The tap of a port, as libvirt and Nova name it. */
export const guestTap = (port: GuestPort): string => tapName(parseUuid('port.id', port.id));

/**
 * Lines of `ip -batch`, for the guest's namespace: a device of the guest and its tap, still side by side. The guest's end has
 * another MTU where it is still to learn of the network's.
 */
export const pairLines = (port: GuestPort, device: string, guestMtu = port.mtu): readonly string[] => {
  const mtu = port.mtu.toString();
  return [
    `link add name ${device} address ${port.mac} mtu ${guestMtu.toString()} type veth peer name ${guestTap(port)} address ${tapMac(port.mac)} mtu ${mtu}`,
    `link set dev ${device} up`,
  ];
};

// As libvirt does: the guest's own address with another first byte, the highest, which a bridge never takes as its own.
const tapMac = (mac: string): string => `${mac.startsWith('fe') ? 'fa' : 'fe'}${mac.slice(2)}`;

/** The line that lets the tap appear on a host, with its name, address and MTU, and up: one request to the kernel. */
export const plugLine = (port: GuestPort, hostNamespace: string): string =>
  `link set dev ${guestTap(port)} netns ${hostNamespace} up`;

/** Lines that give a device of the guest its addresses and routes. `replace` lets some be there already. */
export const stationLines = (port: GuestPort, device: string, verb: 'add' | 'replace'): readonly string[] => [
  ...port.ips.map(({ address, prefix }) => {
    const nodad = address.includes(':') ? ' nodad' : '';
    return `address ${verb} ${address}/${prefix.toString()} dev ${device}${nodad}`;
  }),
  // A route by way of the device that is going may stand beside the new one for a moment.
  ...port.gateways.map((gateway) => `route ${verb === 'add' ? 'append' : verb} default via ${gateway} dev ${device}`),
];

/** Lines that take a device's routes and addresses from it. */
export const leaveLines = (port: GuestPort, device: string): readonly string[] => [
  ...port.gateways.map((gateway) => `route delete default via ${gateway} dev ${device}`),
  ...port.ips.map(({ address, prefix }) => `address delete ${address}/${prefix.toString()} dev ${device}`),
];

/**
 * Lines that name the devices anew while they are up (Linux 6.2 and later), and one that makes the guest announce itself:
 * to set its address, even to what it is, sends gratuitous ARP and an unsolicited neighbour advertisement.
 */
export const renameLines = (port: GuestPort): readonly string[] => [
  `link set dev ${GUEST_DEVICE} name ${OUTGOING_DEVICE}`,
  `link set dev ${INCOMING_DEVICE} name ${GUEST_DEVICE}`,
  announceLine(port),
];

/** As `renameLines`, where only a device that is down can be renamed; it loses its IPv6 addresses and routes by that. */
export const renameDownLines = (port: GuestPort): readonly string[] => [
  `link set dev ${GUEST_DEVICE} down`,
  `link set dev ${GUEST_DEVICE} name ${OUTGOING_DEVICE}`,
  `link set dev ${INCOMING_DEVICE} down`,
  `link set dev ${INCOMING_DEVICE} name ${GUEST_DEVICE}`,
  `link set dev ${GUEST_DEVICE} up`,
  ...stationLines(port, GUEST_DEVICE, 'replace'),
  announceLine(port),
];

const announceLine = (port: GuestPort): string => `link set dev ${GUEST_DEVICE} address ${port.mac}`;
