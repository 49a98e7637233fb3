import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { contains } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
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
 * version there is a subnet of. Throws `invalid` for an address that no subnet has or two items choose, `not_found` for a
 * subnet of elsewhere, `precondition` when an address is asked for and there is no subnet.
 */
export const addressWants = (
  networkId: Uuid,
  subnets: readonly Subnet[],
  fixedIps: readonly FixedIp[],
): readonly Want[] => {
  if (fixedIps.length === 0) return oneOfEachVersion(subnets);
  return fixedIps.map((fixedIp, at) => {
    const want = wantOf(networkId, subnets, fixedIp, `fixed_ips[${at.toString()}]`);
    const { ipAddress } = fixedIp;
    if (ipAddress !== undefined && fixedIps.findIndex((other) => other.ipAddress === ipAddress) !== at) {
      throw invalidField(`fixed_ips[${at.toString()}].ip_address`, ipAddress, 'is asked for twice');
    }
    return want;
  });
};

const oneOfEachVersion = (subnets: readonly Subnet[]): readonly Want[] =>
  ([4, 6] as const)
    .map((version) => placesOf(subnets, (subnet) => subnet.cidr.version === version))
    .filter((from) => from.length > 0)
    .map((from) => ({ kind: 'next', from }));

const wantOf = (networkId: Uuid, subnets: readonly Subnet[], { subnetId, ipAddress }: FixedIp, field: string): Want => {
  const place = subnetId === undefined ? undefined : subnets.findIndex(({ id }) => id === subnetId);
  if (place === -1) throw noSuchSubnet(networkId, subnetId ?? '');
  if (ipAddress === undefined) {
    if (subnets.length === 0) throw noSubnet(networkId);
    return { kind: 'next', from: place === undefined ? placesOf(subnets, () => true) : [place] };
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
