import { DomainError } from '#platform/errors/domain-error.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid, type Uuid } from '#platform/net/names.ts';
import { type RpcService, service, unary } from '#platform/rpc/handlers.ts';
import { IpamServiceService, Ipv6AddressMode, type Subnet as SubnetMessage } from '#proto/weft/ipam/v1/ipam.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { Subnet } from '../domain/subnet.ts';
import type { FakeIpam } from './fake-ipam.ts';

/** The fake as a gRPC service; what topology does not call is not there. */
export const fakeIpamService = (ipam: FakeIpam): RpcService =>
  service(IpamServiceService, {
    allocateMacAddress: unary(async (request, { signal }) => {
      const wish = request.mac_address === '' ? undefined : parseMac('mac_address', request.mac_address);
      return { mac_address: await ipam.allocateMac(ownerOf(request), wish, howOf(request), signal) };
    }),
    allocateAddresses: unary(async (request, { signal }) => {
      const wishes = request.fixed_ips.map(({ subnet_id: id, ip_address: ip }) => ({
        ...(id === '' ? {} : { subnetId: parseUuid('subnet_id', id) }),
        ...(ip === '' ? {} : { ipAddress: parseIp('ip_address', ip) }),
      }));
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
      const id = ownerId(request.owner_id);
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
      const id = await ipam.allocateSegment(ownerId(request.owner_id), wish, howOf(request), signal);
      return { segmentation_id: id };
    }),
    releaseSegment: unary(async (request, { signal }) => {
      await ipam.releaseSegment(ownerId(request.owner_id), signal);
      return {};
    }),
    listSubnets: unary(async (request, { signal }) => {
      const networkId = request.network_id === '' ? undefined : parseUuid('network_id', request.network_id);
      const subnets = await ipam.listSubnets(networkId, signal);
      return { subnets: subnets.map(subnetMessage), next_page_token: '' };
    }),
    getSubnet: unary(async ({ id }, { signal }) => subnetMessage(await ipam.getSubnet(parseUuid('id', id), signal))),
    createSubnet: unary(notServed),
    updateSubnet: unary(notServed),
    deleteSubnet: unary(notServed),
    listLeases: unary(notServed),
    createSegmentRange: unary(notServed),
    getSegmentRange: unary(notServed),
    listSegmentRanges: unary(notServed),
    deleteSegmentRange: unary(notServed),
  });

const subnetMessage = (subnet: Subnet): SubnetMessage => ({
  id: subnet.id,
  network_id: subnet.networkId,
  name: subnet.name,
  cidr: subnet.cidr.text,
  ip_version: subnet.cidr.version,
  gateway_ip: subnet.gatewayIp ?? '',
  allocation_pools: [],
  dns_nameservers: [],
  host_routes: [],
  enable_dhcp: subnet.enableDhcp,
  ipv6_address_mode: Ipv6AddressMode.IPV6_ADDRESS_MODE_UNSPECIFIED,
  etag: '',
  revision_number: subnet.revision.toString(),
});

const notServed = (): Promise<never> =>
  Promise.reject(new DomainError('internal', 'NOT_SERVED', 'topology does not call this'));

/** Ports for DHCP hold under a name of their own. */
const ownerId = (text: string): Uuid => parseUuid('owner_id', text.replace(/^dhcp:/, ''));

const ownerOf = (request: { readonly network_id: string; readonly owner_id: string }) => ({
  networkId: parseUuid('network_id', request.network_id),
  id: ownerId(request.owner_id),
});

const howOf = (request: { readonly validate_only: boolean }) => ({ validateOnly: request.validate_only });
