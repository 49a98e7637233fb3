import { ipVersion, type IpVersion } from '#platform/net/ip-address.ts';
import { VXLAN_OVERHEAD } from '#platform/net/mtu.ts';
import type { Check } from '../check.ts';
import { judged, run, skipped, type Finding, type RemedyStep } from '../finding.ts';
import type { MtuDemand, Peer } from '../survey.ts';
import type { PeerProbe, PeerProbes } from '../underlay/probe.ts';
import { NO_PEERS } from './vtep-unreachable.ts';

/** Whether the way to each VTEP carries full-size frames of all networks. */
export const underlayMtuTooSmall: Check = {
  id: 'underlay-mtu-too-small',
  run: async ({ peers, demands }, tools, signal) => {
    if (peers.length === 0) return skipped(NO_PEERS);
    if (demands.length === 0) return skipped('there is no network yet that could be too large');
    return judged(judgePaths(peers, demands, await tools.probes(signal)));
  },
};

type Answer = Extract<PeerProbe, { kind: 'answers' }>;

/** One finding per peer: what is there, what is needed, and by which network. */
export const judgePaths = (
  peers: readonly Peer[],
  demands: readonly MtuDemand[],
  probes: PeerProbes,
): readonly Finding[] =>
  peers.flatMap(({ address, from }): readonly Finding[] => {
    const probe = probes.get(address);
    if (probe?.kind !== 'answers') return [];
    const version = ipVersion(address);
    const tooLarge = demands.filter(({ mtu }) => mtu + VXLAN_OVERHEAD[version] > probe.pathMtu);
    const held = tooLarge.filter((demand) => demand.held);
    const [worst] = (held.length > 0 ? held : tooLarge).toSorted((a, b) => b.mtu - a.mtu);
    if (worst === undefined) return [];
    const needed = worst.mtu + VXLAN_OVERHEAD[version];
    return [
      {
        severity: held.length > 0 ? 'error' : 'warning',
        title: `the underlay carries ${probe.pathMtu} bytes to VTEP ${address} (${from}), ${worst.what} needs ${needed}`,
        evidence: [
          measured(probe, address),
          `${worst.what}: MTU ${worst.mtu}, and VXLAN over IPv${version} adds ${VXLAN_OVERHEAD[version]}`,
          ...(tooLarge.length > 1 ? [`${tooLarge.length} networks and overlays are too large for it`] : []),
        ],
        remedy: remedyOf(probe, worst, needed, version),
      },
    ];
  });

/** What was seen of a path, both numbers. */
export const measured = ({ device, ownMtu, pathMtu, lostMtu }: Answer, address: string): string => {
  const most = lostMtu === undefined ? `at most ${pathMtu} bytes arrive` : `${pathMtu} bytes arrive, ${lostMtu} do not`;
  return `${device} has MTU ${ownMtu}; of unfragmented packets to ${address} ${most}`;
};

const remedyOf = (
  { device, ownMtu, pathMtu }: Answer,
  { what }: MtuDemand,
  needed: number,
  version: IpVersion,
): readonly RemedyStep[] => {
  if (ownMtu < needed) return [run('ip', 'link', 'set', 'dev', device, 'mtu', needed.toString())];
  const [kind, id = ''] = what.split(' ');
  // The narrow place is not on this host: what can be changed from here is what the network asks for.
  const fitting = (pathMtu - VXLAN_OVERHEAD[version]).toString();
  return kind === 'network' ? [run('weft', 'network', 'update', id, '--mtu', fitting)] : [];
};
