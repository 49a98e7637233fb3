import type { Check } from '../check.ts';
import { judged, skipped, type Finding } from '../finding.ts';
import type { Peer } from '../survey.ts';
import type { PeerProbes } from '../underlay/probe.ts';
import { measured } from './underlay-mtu-too-small.ts';
import { NO_PEERS } from './vtep-unreachable.ts';

/** Whether the underlay has one MTU from end to end. */
export const underlayMtuDiffers: Check = {
  id: 'underlay-mtu-differs',
  run: async ({ peers }, tools, signal) =>
    peers.length === 0 ? skipped(NO_PEERS) : judged(judgeSameness(peers, await tools.probes(signal))),
};

export const judgeSameness = (peers: readonly Peer[], probes: PeerProbes): readonly Finding[] =>
  peers.flatMap(({ address, from, underlayMtu }): readonly Finding[] => {
    const probe = probes.get(address);
    if (probe?.kind !== 'answers') return [];
    const { device, ownMtu, pathMtu } = probe;
    const evidence = [measured(probe, address)];
    const told = underlayMtu !== undefined && underlayMtu !== ownMtu;
    if (told) evidence.push(`${from} told the control plane that its underlay has ${underlayMtu}`);
    if (!told && pathMtu >= ownMtu) return [];
    const there = told && pathMtu >= ownMtu ? `${from} has ${underlayMtu}` : `${pathMtu} bytes arrive there`;
    return [
      {
        severity: 'warning',
        title: `the underlay's MTU towards VTEP ${address} is not the same all the way: ${ownMtu} on ${device}, ${there}`,
        evidence,
        remedy: [],
      },
    ];
  });
