import { parseIp } from '#platform/net/ip-address.ts';
import { inPlace, type KernelTables } from './kernel.ts';

/** What the integration bridge of a host holds of one network, read with ovs-ofctl alone: the same rows, seen as flows. */
export const switchTables = async (lab: string, host: string, vni: number): Promise<KernelTables> => {
  const cookie = `0x77656674${vni.toString(16).padStart(8, '0')}`;
  const fdb = new Map<string, string>();
  const neighbours = new Map<string, string>();
  const flood = new Set<string>();
  for (const flow of await switchFlows(lab, host, `cookie=${cookie}/-1`)) {
    const destinations = [...flow.matchAll(/set_field:([0-9a-f.:]+)->tun_(?:ipv6_)?dst/g)].map(([, to = '']) =>
      parseIp('tun_dst', to),
    );
    const mac = /dl_dst=([0-9a-f:]{17}) /.exec(flow)?.[1];
    const asked = /(?:arp_tpa|nd_target)=([0-9a-f.:]+)/.exec(flow)?.[1];
    const answer = /set_field:([0-9a-f:]{17})->eth_src/.exec(flow)?.[1];
    const [to] = destinations;
    if (flow.includes('table=unicast') && mac !== undefined && to !== undefined) fdb.set(mac, to);
    if (flow.includes('table=responder') && asked !== undefined) neighbours.set(parseIp('ip', asked), answer ?? '');
    if (flow.includes('table=flood')) for (const each of destinations) flood.add(each);
  }
  return { fdb, neighbours, flood: [...flood].sort() };
};

/** Flows of the integration bridge that `filter` matches, one a line, tables and ports by name. */
export const switchFlows = async (lab: string, host: string, filter = 'cookie=0/0'): Promise<readonly string[]> => {
  const argv = ['ovs-ofctl', '-O', 'OpenFlow15', '--names', '--no-stats', 'dump-flows', 'br-int', filter];
  return (await inPlace({ lab, host }, argv)).split('\n').filter((line) => line.trim() !== '');
};
