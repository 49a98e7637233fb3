import { fileURLToPath } from 'node:url';
import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS, bigIntToIp, ipToBigInt, ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { gatewayNamespace } from './names.ts';
import type { ProcessSpec } from './processes.ts';
import type { LabRecord } from './record.ts';
import { SYSTEM_PATH } from './tools.ts';

/** The bridge of the provider's wire in the underlay's namespace, and the device of hosts and gateway on it. */
export const PROVIDER_BRIDGE = 'provider';
export const PROVIDER_DEVICE = 'eth1';
export const GATEWAY_DEVICE = 'eth0';
/** As of any Ethernet, whatever the underlay's is. */
export const PROVIDER_MTU = 1500;
/** What is beyond the gateway (RFC 5737, RFC 3849): it answers pings, and HTTP with the address that it sees. */
const INTERNET_ADDRESSES = ['198.51.100.1/32', '2001:db8:5511::1/128'];
const INTERNET_PORT = 80;

/** Reads an address with its prefix length, such as 172.32.0.1/24, canonical. Throws `invalid`. */
export const parseGatewayAddress = (text: string): string => {
  const [host = '', length = ''] = text.split('/', 2);
  const address = parseUnicastIp('provider_gateway', host);
  const version = ipVersion(address);
  // Of the network that it is in, so that all rules of prefixes hold.
  const bits = BigInt(ADDRESS_BITS[version]) - BigInt(/^\d{1,3}$/.test(length) ? length : '0');
  if (length === '' || bits < 0n)
    throw invalidField('provider_gateway', text, 'is not ADDRESS/LENGTH, such as 172.32.0.1/24');
  const network = bigIntToIp(version, (ipToBigInt(address) >> bits) << bits);
  return `${address}/${parseCidr('provider_gateway', `${network}/${length}`).prefixLength.toString()}`;
};

/** Whether a lab has a gateway on its provider's wire. */
export const hasGateway = ({ providerGateway }: LabRecord): boolean => providerGateway.length > 0;

/** Settings of the gateway's namespace: it routes. */
export const ROUTER: readonly string[] = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];

/** Settings of a host for its device on the wire: it has no address of its own there, none that it is told of either. */
export const PROVIDER_UNNUMBERED: readonly string[] = [`net.ipv6.conf.${PROVIDER_DEVICE}.disable_ipv6=1`];

/** Lines of `ip -batch`, for the gateway's namespace. */
export const gatewayLines = ({ providerGateway }: LabRecord): readonly string[] => [
  'link set dev lo up',
  `link set dev ${GATEWAY_DEVICE} up`,
  ...INTERNET_ADDRESSES.map((address) => `address add ${address} dev lo`),
  ...providerGateway.map((address) => `address add ${address} dev ${GATEWAY_DEVICE}`),
];

/** The gateway's namespace, where there is one. */
export const gatewayNamespaces = (lab: LabRecord): readonly ReturnType<typeof gatewayNamespace>[] =>
  hasGateway(lab) ? [gatewayNamespace(lab.name)] : [];

/** What answers HTTP there. */
export const internetProcess = (): ProcessSpec => ({
  name: 'internet',
  argv: [process.execPath, fileURLToPath(new URL('./internet.ts', import.meta.url)), INTERNET_PORT.toString()],
  env: { PATH: SYSTEM_PATH, LC_ALL: 'C' },
  ready: { tcpPorts: [INTERNET_PORT] },
});
