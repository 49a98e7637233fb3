import type { Check } from '../check.ts';
import { judged, skipped, type Finding } from '../finding.ts';
import type { Peer } from '../survey.ts';
import type { PeerProbes } from '../underlay/probe.ts';

/** Whether other VTEPs answer. */
export const vtepUnreachable: Check = {
  id: 'vtep-unreachable',
  run: async ({ peers }, tools, signal) =>
    peers.length === 0 ? skipped(NO_PEERS) : judged(judgeReach(peers, await tools.probes(signal))),
};

/** Why checks that ask other VTEPs are skipped. */
export const NO_PEERS = 'no other VTEP is known: name one with --peer';

export const judgeReach = (peers: readonly Peer[], probes: PeerProbes): readonly Finding[] =>
  peers.flatMap(({ address, from }): readonly Finding[] => {
    const probe = probes.get(address);
    if (probe === undefined || probe.kind === 'answers') return [];
    const title = `VTEP ${address} (${from}) cannot be reached`;
    if (probe.kind === 'no-route') {
      const evidence = [`ip route get ${address}: there is no route`];
      return [{ severity: 'error', title, evidence, remedy: [] }];
    }
    const silence = `ping ${address} by ${probe.device}: no answer`;
    if (probe.neighbour === 'FAILED' || probe.neighbour === 'INCOMPLETE') {
      const evidence = [
        silence,
        `its neighbour entry on ${probe.device} is ${probe.neighbour}: nobody there has that address`,
      ];
      return [{ severity: 'error', title, evidence, remedy: [] }];
    }
    // Something on the way may answer no echo and pass VXLAN all the same.
    return [
      {
        severity: 'warning',
        title: `VTEP ${address} (${from}) answers no ping`,
        evidence: [silence, 'a firewall may keep ICMP echo back and pass VXLAN; that cannot be told from here'],
        remedy: [],
      },
    ];
  });
