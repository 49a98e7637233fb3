import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import type { ControlPlaneFacts } from '../host-check/look.ts';

const PAGE = 1_000;
const TIMEOUT_MS = 5_000;

/** All hosts and VXLAN networks that topology knows. Rejects as its calls do. */
export const readControlPlane = async (
  topology: RpcClient<typeof TopologyServiceService>,
  signal: AbortSignal,
): Promise<ControlPlaneFacts> => {
  const call = { signal, timeoutMs: TIMEOUT_MS };
  const [hosts, networks] = await Promise.all([
    allPages(async (page_token) => {
      const page = await topology.listHosts({ page_size: PAGE, page_token }, call);
      return { items: page.hosts, next: page.next_page_token };
    }),
    allPages(async (page_token) => {
      const page = await topology.listNetworks({ page_size: PAGE, page_token, name: '' }, call);
      return { items: page.networks, next: page.next_page_token };
    }),
  ]);
  return {
    hosts: hosts.map(({ id, vtep_address, udp_port, underlay_mtu }) => ({
      id,
      address: parseUnicastIp('host.vtep_address', vtep_address),
      udpPort: udp_port,
      underlayMtu: underlay_mtu,
    })),
    networks: networks
      .filter(({ network_type }) => network_type === NetworkType.NETWORK_TYPE_VXLAN)
      .map(({ id, mtu }) => ({ id, mtu })),
  };
};

const allPages = async <T>(
  page: (token: string) => Promise<{ readonly items: readonly T[]; readonly next: string }>,
): Promise<readonly T[]> => {
  const all: T[] = [];
  for (let token = ''; ;) {
    const { items, next } = await page(token);
    all.push(...items);
    if (next === '') return all;
    token = next;
  }
};
