import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { contains } from '#platform/net/cidr.ts';
import { slaacAddress } from '#platform/net/eui64.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import { isHostOf } from './host-range.ts';
import { addressKey } from './lease-key.ts';
import type { Space, Want } from './leasing.ts';
import type { Subnet } from './subnet.ts';

/** One address as it is asked for: any, of a subnet, or a chosen one. */
export interface FixedIp {
  readonly subnetId: Uuid | undefined;
  readonly ipAddress: IpAddress | undefined;
}

/** More than a port can use; what one call may ask for. */
export const MAX_FIXED_IPS = 64;

/** The space of a subnet: its pools, in their order. */
export const spaceOf = ({ id, allocationPools }: Subnet): Space => ({
  id,
  ranges: allocationPools.map(({ start, end }) => ({ first: addressKey(start), last: addressKey(end) })),
});

/**
 * What a request for addresses comes to in a network with these subnets: with no `fixedIps`, one address of each IP
 * version there is a subnet of. Where stations make their addresses themselves it is the one that `mac` gives; without
 * `mac` (the request is a question) any.  Throws `invalid` for an address that no subnet has or two items choose, `not_found` for a
 * subnet of elsewhere, `precondition` when an address is asked for and there is no subnet.
 */
export const addressWants = (
  networkId: Uuid,
  subnets: readonly Subnet[],
  fixedIps: readonly FixedIp[],
  mac: MacAddress | undefined,
): readonly Want[] => {
  if (fixedIps.length === 0) return oneOfEachVersion(subnets, mac);
  return fixedIps.map((fixedIp, at) => {
    const want = wantOf({ networkId, subnets, mac }, fixedIp, `fixed_ips[${at.toString()}]`);
    const { ipAddress } = fixedIp;
    if (ipAddress !== undefined && fixedIps.findIndex((other) => other.ipAddress === ipAddress) !== at) {
      throw invalidField(`fixed_ips[${at.toString()}].ip_address`, ipAddress, 'is asked for twice');
    }
    return want;
  });
};

/** Whether stations of a subnet make their addresses of their MAC addresses. */
export const isSelfAddressed = ({ ipv6AddressMode }: Subnet): boolean =>
  ipv6AddressMode === 'slaac' || ipv6AddressMode === 'dhcpv6-stateless';

const oneOfEachVersion = (subnets: readonly Subnet[], mac: MacAddress | undefined): readonly Want[] =>
  ([4, 6] as const)
    .map((version) => placesOf(subnets, (subnet) => subnet.cidr.version === version))
    .filter((from) => from.length > 0)
    .map((from) => nextOf(subnets, from, mac));

/** The next free address of these subnets; of the first alone, and of its station's making, where they are made so. */
const nextOf = (subnets: readonly Subnet[], from: readonly number[], mac: MacAddress | undefined): Want => {
  const [place] = from;
  const first = place === undefined ? undefined : subnets[place];
  if (mac !== undefined && place !== undefined && first !== undefined && isSelfAddressed(first)) {
    return { kind: 'any', from: [place], keys: [addressKey(slaacAddress(first.cidr, mac))] };
  }
  if (mac === undefined) return { kind: 'next', from };
  const others = from.filter((at) => subnets[at] !== undefined && !isSelfAddressed(subnets[at]));
  return { kind: 'next', from: others };
};

const wantOf = (
  {
    networkId,
    subnets,
    mac,
  }: { readonly networkId: Uuid; readonly subnets: readonly Subnet[]; readonly mac: MacAddress | undefined },
  { subnetId, ipAddress }: FixedIp,
  field: string,
): Want => {
  const place = subnetId === undefined ? undefined : subnets.findIndex(({ id }) => id === subnetId);
  if (place === -1) throw noSuchSubnet(networkId, subnetId ?? '');
  if (ipAddress === undefined) {
    if (subnets.length === 0) throw noSubnet(networkId);
    return nextOf(subnets, place === undefined ? placesOf(subnets, () => true) : [place], mac);
  }
  const at = place ?? subnets.findIndex(({ cidr }) => contains(cidr, ipAddress));
  const subnet = subnets[at];
  if (subnet === undefined) {
    throw invalidField(`${field}.ip_address`, ipAddress, `lies in no subnet of network ${networkId}`);
  }
  if (!isHostOf(subnet.cidr, ipAddress)) {
    throw invalidField(
      `${field}.ip_address`,
      ipAddress,
      `is no host address of ${subnet.cidr.text}, subnet ${subnet.id}`,
    );
  }
  return { kind: 'chosen', from: [at], key: addressKey(ipAddress) };
};

const placesOf = (subnets: readonly Subnet[], which: (subnet: Subnet) => boolean): readonly number[] =>
  subnets.flatMap((subnet, at) => (which(subnet) ? [at] : []));

const noSuchSubnet = (networkId: Uuid, subnetId: string): DomainError =>
  new DomainError('not_found', 'SUBNET_NOT_FOUND', `network ${networkId} has no subnet ${subnetId}`, {
    details: { network: networkId, subnet: subnetId },
  });

const noSubnet = (networkId: Uuid): DomainError =>
  new DomainError(
    'precondition',
    'NETWORK_WITHOUT_SUBNET',
    `network ${networkId} has no subnet to take an address from`,
    {
      details: { network: networkId },
    },
  );
