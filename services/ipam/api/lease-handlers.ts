import { invalidField } from '#platform/errors/domain-error.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { unary } from '#platform/rpc/handlers.ts';
import type { Handlers } from '#platform/rpc/handlers.ts';
import { pageToken, parsePageSize, parsePageToken } from '#platform/store/paging.ts';
import {
  AllocateAddressesRequest,
  AllocateMacAddressRequest,
  ReleaseAddressesRequest,
  ReleaseMacAddressRequest,
} from '#proto/weft/ipam/v1/ipam.ts';
import type { AddressLease, IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import type { FixedIp as FixedIpMessage } from '#proto/weft/type/v1/network.ts';
import type { Addresses } from '../app/addresses.ts';
import type { LeaseLister, LeaseSelection } from '../app/lease-lister.ts';
import type { MacAddresses } from '../app/mac-addresses.ts';
import { MAX_FIXED_IPS } from '../domain/address-wants.ts';
import type { FixedIp } from '../domain/address-wants.ts';
import { keyAddress } from '../domain/lease-key.ts';
import type { Lease } from '../domain/leasing.ts';
import { parseOwner } from '../domain/owner.ts';
import { about } from './about.ts';
import { mutationOf } from './mutation.ts';

type LeaseHandlers = Pick<
  Handlers<typeof IpamServiceService>,
  'allocateAddresses' | 'releaseAddresses' | 'listLeases' | 'allocateMacAddress' | 'releaseMacAddress'
>;

/** The part of the service that leases addresses of both kinds. */
export const leaseHandlers = (addresses: Addresses, lister: LeaseLister, macs: MacAddresses): LeaseHandlers => ({
  allocateAddresses: unary(async (request, context) => {
    const allocation = {
      ...mutationOf(AllocateAddressesRequest, request, context),
      networkId: parseUuid('network_id', request.network_id),
      owner: parseOwner('owner_id', request.owner_id),
      fixedIps: toFixedIps(request.fixed_ips),
    };
    about({ network: allocation.networkId, port: allocation.owner });
    return { leases: (await addresses.allocate(allocation, context.signal)).map(toLease) };
  }),
  releaseAddresses: unary(async (request, context) => {
    const release = {
      ...mutationOf(ReleaseAddressesRequest, request, context),
      owner: parseOwner('owner_id', request.owner_id),
      fixedIps: toFixedIps(request.fixed_ips).map(naming),
    };
    about({ port: release.owner });
    return { leases: (await addresses.release(release, context.signal)).map(toLease) };
  }),
  listLeases: unary(async (request, { method, signal }) => {
    const selection = toSelection(request);
    const scope = `${method} ${JSON.stringify(selection)}`;
    const limit = parsePageSize(request.page_size);
    const page = { after: parsePageToken(request.page_token, scope), limit };
    // One more than asked for tells whether there is a next page.
    const found = await lister.list(selection, { ...page, limit: limit + 1 }, signal);
    const listed = found.slice(0, limit);
    const last = found.length > limit ? listed.at(-1)?.place : undefined;
    return { leases: listed.map(({ lease }) => toLease(lease)), next_page_token: pageToken(last, scope) };
  }),
  allocateMacAddress: unary(async (request, context) => {
    const allocation = {
      ...mutationOf(AllocateMacAddressRequest, request, context),
      networkId: parseUuid('network_id', request.network_id),
      owner: parseOwner('owner_id', request.owner_id),
      mac: request.mac_address === '' ? undefined : parseMac('mac_address', request.mac_address),
    };
    about({ network: allocation.networkId, port: allocation.owner });
    return { mac_address: await macs.allocate(allocation, context.signal) };
  }),
  releaseMacAddress: unary(async (request, context) => {
    const release = {
      ...mutationOf(ReleaseMacAddressRequest, request, context),
      networkId: parseUuid('network_id', request.network_id),
      owner: parseOwner('owner_id', request.owner_id),
    };
    about({ network: release.networkId, port: release.owner });
    await macs.release(release, context.signal);
    return {};
  }),
});

const toFixedIps = (messages: readonly FixedIpMessage[]): readonly FixedIp[] => {
  if (messages.length > MAX_FIXED_IPS) {
    throw invalidField('fixed_ips', `${messages.length.toString()} items`, `is more than ${MAX_FIXED_IPS.toString()}`);
  }
  return messages.map(({ subnet_id, ip_address }, at) => {
    const field = `fixed_ips[${at.toString()}]`;
    return {
      subnetId: subnet_id === '' ? undefined : parseUuid(`${field}.subnet_id`, subnet_id),
      ipAddress: ip_address === '' ? undefined : parseUnicastIp(`${field}.ip_address`, ip_address),
    };
  });
};

/** Of a release: an item that names nothing would name all. */
const naming = (fixedIp: FixedIp, at: number): FixedIp => {
  if (fixedIp.subnetId === undefined && fixedIp.ipAddress === undefined) {
    throw invalidField(`fixed_ips[${at.toString()}]`, '', 'names neither a subnet nor an address');
  }
  return fixedIp;
};

const toSelection = ({
  subnet_id,
  owner_id,
}: {
  readonly subnet_id: string;
  readonly owner_id: string;
}): LeaseSelection => {
  if (subnet_id !== '' && owner_id !== '') throw invalidField('owner_id', owner_id, 'cannot be given with subnet_id');
  if (owner_id !== '') return { owner: parseOwner('owner_id', owner_id) };
  if (subnet_id === '') throw invalidField('subnet_id', subnet_id, 'or owner_id is required');
  return { subnetId: parseUuid('subnet_id', subnet_id) };
};

const toLease = ({ key, space, group, holder, createdMs }: Lease): AddressLease => ({
  subnet_id: space,
  network_id: group,
  ip_address: keyAddress(key),
  owner_id: holder,
  create_time: new Date(createdMs).toISOString(),
});
