import { DomainError } from '#platform/errors/domain-error.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { type MacAddress, parseMac } from '#platform/net/mac-address.ts';
import { parseUuid, type Uuid } from '#platform/net/names.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import type { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { Earnest, FixedIpWish, Ipam, PortOwner } from '../app/ipam.ts';
import { DHCP_OWNER } from '../domain/device-owner.ts';
import type { Segment } from '../domain/network.ts';
import type { FixedIp } from '../domain/port.ts';
import type { Subnet } from '../domain/subnet.ts';
import { readSubnet } from './ipam-subnet.ts';

/** Of one call; a creation's turn holds for all of them together. */
const CALL_MS = 3_000;

const PAGE = 1_000;

/** IPAM lets a subnet go that has no other addresses than those of owners of this prefix. */
const YIELDING = 'dhcp:';

/** IPAM over gRPC. No request ids: every call is idempotent by its owner. */
export class IpamClient implements Ipam {
  readonly #client: RpcClient<IpamServiceService>;

  constructor(client: RpcClient<IpamServiceService>) {
    this.#client = client;
  }

  async allocateMac(
    port: PortOwner,
    wish: MacAddress | undefined,
    how: Earnest,
    signal: AbortSignal,
  ): Promise<MacAddress> {
    const answer = await under('port', () =>
      this.#client.allocateMacAddress(
        { network_id: port.networkId, owner_id: ownerOf(port), mac_address: wish ?? '', ...earnest(how) },
        { signal, timeoutMs: CALL_MS },
      ),
    );
    return parseMac('mac_address', answer.mac_address);
  }

  async allocateAddresses(
    port: PortOwner,
    wishes: readonly FixedIpWish[],
    how: Earnest,
    signal: AbortSignal,
  ): Promise<readonly FixedIp[]> {
    const fixedIps = wishes.map(({ subnetId, ipAddress }) => ({
      subnet_id: subnetId ?? '',
      ip_address: ipAddress ?? '',
    }));
    const { leases } = await under('port', () =>
      this.#client.allocateAddresses(
        { network_id: port.networkId, owner_id: ownerOf(port), fixed_ips: fixedIps, ...earnest(how) },
        { signal, timeoutMs: CALL_MS },
      ),
    );
    return leases.map((lease) => ({
      subnetId: parseUuid('subnet_id', lease.subnet_id),
      ipAddress: parseIp('ip_address', lease.ip_address),
    }));
  }

  async releasePort(port: PortOwner, signal: AbortSignal): Promise<void> {
    const how = { ...earnest({ validateOnly: false }) };
    const options = { signal, timeoutMs: CALL_MS };
    await Promise.all([
      this.#client.releaseAddresses({ owner_id: ownerOf(port), fixed_ips: [], ...how }, options),
      this.#client.releaseMacAddress({ network_id: port.networkId, owner_id: ownerOf(port), ...how }, options),
    ]);
  }

  async allocateSegment(networkId: Uuid, wish: Segment, how: Earnest, signal: AbortSignal): Promise<number> {
    const answer = await under('network', () =>
      this.#client.allocateSegment(
        {
          network_type: wish.type === 'vlan' ? NetworkType.NETWORK_TYPE_VLAN : NetworkType.NETWORK_TYPE_VXLAN,
          physical_network: wish.physicalNetwork,
          owner_id: networkId,
          segmentation_id: wish.segmentationId,
          ...earnest(how),
        },
        { signal, timeoutMs: CALL_MS },
      ),
    );
    return answer.segmentation_id;
  }

  async releaseSegment(networkId: Uuid, signal: AbortSignal): Promise<void> {
    await this.#client.releaseSegment(
      { owner_id: networkId, ...earnest({ validateOnly: false }) },
      { signal, timeoutMs: CALL_MS },
    );
  }

  async hasSubnets(networkId: Uuid, signal: AbortSignal): Promise<boolean> {
    const { subnets } = await this.#client.listSubnets(
      { network_id: networkId, page_size: 1, page_token: '' },
      { signal, timeoutMs: CALL_MS },
    );
    return subnets.length > 0;
  }

  async getSubnet(id: Uuid, signal: AbortSignal): Promise<Subnet> {
    return readSubnet(await this.#client.getSubnet({ id }, { signal, timeoutMs: CALL_MS }));
  }

  async listSubnets(networkId: Uuid | undefined, signal: AbortSignal): Promise<readonly Subnet[]> {
    const found: Subnet[] = [];
    let token = '';
    do {
      const page = await this.#client.listSubnets(
        { network_id: networkId ?? '', page_size: PAGE, page_token: token },
        { signal, timeoutMs: CALL_MS },
      );
      found.push(...page.subnets.map(readSubnet));
      token = page.next_page_token;
    } while (token !== '');
    return found;
  }
}

const ownerOf = ({ id, deviceOwner }: PortOwner): string => (deviceOwner === DHCP_OWNER ? `${YIELDING}${id}` : id);

const earnest = ({ validateOnly }: Earnest) => ({ request_id: '', validate_only: validateOnly });

/** IPAM's fields are named alike here, but for the resource they are in. */
const under = async <T>(resource: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (thrown) {
    if (!(thrown instanceof DomainError) || thrown.violations.length === 0) throw thrown;
    const { code, reason, message, details } = thrown;
    const violations = thrown.violations.map(({ field, description }) => ({
      field: `${resource}.${field}`,
      description,
    }));
    throw new DomainError(code, reason, message, { details, violations, cause: thrown });
  }
};
