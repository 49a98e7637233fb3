import { invalidField } from '#platform/errors/domain-error.ts';
import { ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { LAB_DRIVERS, LAB_ROLES } from './record.ts';
import type { LabDriver, LabHost, LabRecord, LabRole, UnderlayFamily } from './record.ts';
import { parseLabHostName } from './names.ts';

/** The bridge of the underlay, and that of the management network, in the underlay's namespace. */
export const UNDERLAY_BRIDGE = 'underlay';
export const MANAGEMENT_BRIDGE = 'mgmt';
/** A host's device on the underlay, and that of hosts and control plane on the management network. */
export const UNDERLAY_DEVICE = 'eth0';
export const MANAGEMENT_DEVICE = 'mgmt0';
/** On a host with Open vSwitch: the bridge its device on the underlay is in, and the device that has the address instead. */
export const UNDERLAY_SWITCH = 'br-underlay';

/** The device that has a host's address on the underlay. */
export const underlayDevice = ({ driver }: LabHost): string => (driver === 'ovs' ? UNDERLAY_SWITCH : UNDERLAY_DEVICE);

/** Where the control plane listens. Every lab has namespaces of its own, so every lab uses the same addresses. */
export const CONTROL_ADDRESS = '10.254.0.1';
export const MANAGEMENT_PREFIX = 24;
/** Bits of the underlay's prefix. */
export const UNDERLAY_PREFIX: Readonly<Record<UnderlayFamily, number>> = { ipv4: 24, ipv6: 64 };

/** The underlay's and every host's MTU where none is given. */
export const DEFAULT_UNDERLAY_MTU = 1500;
const MAX_HOSTS = 200;
const FIRST_NUMBER = 11;
/** Hosts end in the same digits on every network. */
const FIRST_ADDRESSES: Readonly<Record<UnderlayFamily, string>> = { ipv4: '192.0.2.11', ipv6: '2001:db8:ffff::11' };

/**
 * The hosts of a lab in order, with their addresses: 192.0.2.11 or 2001:db8:ffff::11 on the underlay, or another one that is
 * given, and 10.254.0.11 on the management network for the first, and so on. A number n means h1 to hn; a single driver is that of all, none means
 * linuxbridge, and so with roles, where none means `compute`. Throws `invalid` for no or more than 200 hosts, bad names and
 * doubles, drivers or roles that there are not or not one for each.
 */
export const labHosts = (
  hosts: number | readonly string[],
  underlay: UnderlayFamily,
  drivers: readonly string[] = [],
  roles: readonly string[] = [],
  firstAddress: string = FIRST_ADDRESSES[underlay],
): readonly LabHost[] => {
  const names = typeof hosts === 'number' ? numbered(hosts) : hosts;
  if (names.length === 0 || names.length > MAX_HOSTS) {
    throw invalidField('hosts', names.length, `is not a number of hosts from 1 to ${MAX_HOSTS.toString()}`);
  }
  const driverOf = parseDrivers(drivers, names.length);
  const rolesOf = parseRoles(roles, names.length);
  const addressOf = parseFirstAddress(firstAddress, underlay, names.length);
  return names.map((text, index) => {
    const name = parseLabHostName('hosts', text);
    if (names.indexOf(text) !== index) throw invalidField('hosts', text, 'is there twice');
    const number = (FIRST_NUMBER + index).toString();
    return {
      name,
      index,
      underlayAddress: addressOf(index),
      managementAddress: `10.254.0.${number}`,
      driver: driverOf(index),
      roles: rolesOf(index),
    };
  });
};

/** Written in digits that are decimal and hexadecimal alike, the last ones count up: 2001:db8:ffff::11, ::12 … ::99, ::100. */
const parseFirstAddress = (text: string, underlay: UnderlayFamily, hosts: number): ((index: number) => string) => {
  const address = parseUnicastIp('first_address', text);
  const [, front = '', digits = ''] = /^(.*?)(\d+)$/.exec(address) ?? [];
  const last = Number(digits);
  if (`ipv${ipVersion(address).toString()}` !== underlay || digits === '') {
    throw invalidField('first_address', text, `is no address of a host of an ${underlay} underlay that ends in digits`);
  }
  if (last + hosts > 255)
    throw invalidField('first_address', text, `leaves no room for ${hosts.toString()} hosts below 255`);
  return (index) => `${front}${(last + index).toString()}`;
};

const parseDrivers = (texts: readonly string[], hosts: number): ((index: number) => LabDriver) => {
  const drivers = texts.map((text) => {
    const driver = LAB_DRIVERS.find((known) => known === text);
    if (driver === undefined)
      throw invalidField('drivers', text, `is not a driver of a lab: ${LAB_DRIVERS.join(' or ')}`);
    return driver;
  });
  checkOneForEach('drivers', texts, hosts);
  return (index) => drivers[drivers.length === 1 ? 0 : index] ?? 'linuxbridge';
};

/** The role of a host that serves guests and nothing else. */
const COMPUTE = 'compute';

const parseRoles = (texts: readonly string[], hosts: number): ((index: number) => readonly LabRole[]) => {
  const roles = texts.map((text) => {
    const role = LAB_ROLES.find((known) => known === text);
    if (role === undefined && text !== COMPUTE) {
      throw invalidField('roles', text, `is not a role of a lab's host: ${[...LAB_ROLES, COMPUTE].join(' or ')}`);
    }
    return role === undefined ? [] : [role];
  });
  checkOneForEach('roles', texts, hosts);
  return (index) => roles[roles.length === 1 ? 0 : index] ?? [];
};

const checkOneForEach = (field: 'drivers' | 'roles', texts: readonly string[], hosts: number): void => {
  if (texts.length <= 1 || texts.length === hosts) return;
  const one = `one ${field.slice(0, -1)}`;
  throw invalidField(field, texts.join(','), `is neither ${one} for all nor one for each of ${hosts.toString()} hosts`);
};

/** Whether some host of a lab has Open vSwitch, whose userspace datapath all others then have to spare partial checksums. */
export const hasSwitches = ({ hosts }: LabRecord): boolean => hosts.some(({ driver }) => driver === 'ovs');

const numbered = (count: number): readonly string[] => {
  if (!Number.isInteger(count) || count < 1 || count > MAX_HOSTS) {
    throw invalidField('hosts', count, `is not a number of hosts from 1 to ${MAX_HOSTS.toString()}`);
  }
  return Array.from({ length: count }, (_, index) => `h${(index + 1).toString()}`);
};

/** Reads an underlay's MTU; IPv6 asks for 1280 at least (RFC 8200 §5). Throws `invalid`. */
export const parseUnderlayMtu = (mtu: number, underlay: UnderlayFamily): number => {
  const parsed = parseMtu('mtu', mtu);
  if (underlay === 'ipv6' && parsed < 1280) throw invalidField('mtu', mtu, 'is below 1280, the least of an IPv6 link');
  return parsed;
};
