import { ipVersion } from '#platform/net/ip-address.ts';
import type { Check } from '../check.ts';
import { judged, run, skipped, type Finding } from '../finding.ts';
import type { Survey } from '../survey.ts';

/** Whether the kernel drops what comes from peers because the way back is by another device. */
export const rpFilter: Check = {
  id: 'rp-filter',
  run: async (survey, { sysctl }, signal) => {
    if (!survey.kernelTunnels)
      return skipped("Open vSwitch' userspace datapath takes VXLAN before the kernel looks at it");
    const bearers = bearersOf(survey);
    if (bearers.length === 0) return skipped('no device is known to bear an IPv4 address of the underlay');
    const read = async (device: string): Promise<number> =>
      Number((await sysctl.read(`net.ipv4.conf.${device.replaceAll('.', '/')}.rp_filter`, signal)) ?? 0);
    const all = await read('all');
    // The kernel goes by the greater of both (ip-sysctl.rst); 2 is loose.
    const modes = await Promise.all(
      bearers.map(async (device) => [device, Math.max(all, await read(device))] as const),
    );
    return judged(judgeFilters(survey, new Map(modes)));
  },
};

const bearersOf = ({ vtep, overlays, links }: Survey): readonly string[] => {
  const addresses = [...(vtep === undefined ? [] : [vtep]), ...overlays.flatMap(({ local }) => local ?? [])];
  const v4 = addresses.filter((address) => ipVersion(address) === 4);
  return [...links.values()].filter((link) => link.addresses.some(({ ip }) => v4.includes(ip))).map(({ name }) => name);
};

const STRICT = 1;

/** `modes` is what the kernel goes by for each device that bears a VTEP address. */
const judgeFilters = (
  { peers, routes }: Pick<Survey, 'peers' | 'routes'>,
  modes: ReadonlyMap<string, number>,
): readonly Finding[] =>
  [...modes].flatMap(([device, mode]): readonly Finding[] => {
    if (mode !== STRICT) return [];
    const astray = peers.filter(({ address }) => {
      const route = routes.get(address);
      return ipVersion(address) === 4 && route !== undefined && !modes.has(route.device);
    });
    if (astray.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `${device} drops what peers send to it: rp_filter is strict, and the way back is by another device`,
        evidence: [
          `net.ipv4.conf.${device}.rp_filter, or that of all, is 1`,
          ...astray.map(({ address }) => `ip route get ${address}: dev ${routes.get(address)?.device ?? ''}`),
        ],
        remedy: [run('sysctl', '-w', `net.ipv4.conf.${device.replaceAll('.', '/')}.rp_filter=2`)],
      },
    ];
  });
