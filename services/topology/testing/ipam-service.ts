import { DomainError } from '#platform/errors/domain-error.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { type RpcService, service, unary } from '#platform/rpc/handlers.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { FakeIpam } from './fake-ipam.ts';

/** The fake as a gRPC service; what topology does not call is not there. */
export const fakeIpamService = (ipam: FakeIpam): RpcService =>
  service(IpamServiceService, {
    allocateMacAddress: unary(async (request, { signal }) => {
      const wish = request.mac_address === '' ? undefined : parseMac('mac_address', request.mac_address);
      return { mac_address: await ipam.allocateMac(ownerOf(request), wish, howOf(request), signal) };
    }),
    allocateAddresses: unary(async (request, { signal }) => {
      const wishes = request.fixed_ips.map(({ ip_address: ip }) =>
        ip === '' ? {} : { ipAddress: parseIp('ip_address', ip) },
      );
      const held = await ipam.allocateAddresses(ownerOf(request), wishes, howOf(request), signal);
      return {
        leases: held.map(({ subnetId, ipAddress }) => ({
          subnet_id: subnetId,
          network_id: request.network_id,
          ip_address: ipAddress,
          owner_id: request.owner_id,
        })),
      };
    }),
    releaseAddresses: unary(async (request, { signal }) => {
      const id = parseUuid('owner_id', request.owner_id);
      await ipam.releasePort({ networkId: id, id }, signal);
      return { leases: [] };
    }),
    // Gone with the addresses.
    releaseMacAddress: unary(() => Promise.resolve({})),
    allocateSegment: unary(async (request, { signal }) => {
      const type = request.network_type === NetworkType.NETWORK_TYPE_VLAN ? 'vlan' : 'vxlan';
      const wish = {
        type,
        segmentationId: request.segmentation_id,
        physicalNetwork: request.physical_network,
      } as const;
      const id = await ipam.allocateSegment(parseUuid('owner_id', request.owner_id), wish, howOf(request), signal);
      return { segmentation_id: id };
    }),
    releaseSegment: unary(async (request, { signal }) => {
      await ipam.releaseSegment(parseUuid('owner_id', request.owner_id), signal);
      return {};
    }),
    listSubnets: unary((request) => {
      const subnets = [...(ipam.subnets.get(parseUuid('network_id', request.network_id)) ?? [])];
      return Promise.resolve({
        subnets: subnets.map(([id, prefix]) => ({
          id,
          network_id: request.network_id,
          name: '',
          cidr: `${prefix}.0/24`,
          ip_version: 4,
          allocation_pools: [],
          dns_nameservers: [],
          host_routes: [],
          etag: '',
          revision_number: '1',
        })),
        next_page_token: '',
      });
    }),
    createSubnet: unary(notServed),
    getSubnet: unary(notServed),
    updateSubnet: unary(notServed),
    deleteSubnet: unary(notServed),
    listLeases: unary(notServed),
    createSegmentRange: unary(notServed),
    getSegmentRange: unary(notServed),
    listSegmentRanges: unary(notServed),
    deleteSegmentRange: unary(notServed),
  });

const notServed = (): Promise<never> =>
  Promise.reject(new DomainError('internal', 'NOT_SERVED', 'topology does not call this'));

const ownerOf = (request: { readonly network_id: string; readonly owner_id: string }) => ({
  networkId: parseUuid('network_id', request.network_id),
  id: parseUuid('owner_id', request.owner_id),
});

const howOf = (request: { readonly validate_only: boolean }) => ({ validateOnly: request.validate_only });
