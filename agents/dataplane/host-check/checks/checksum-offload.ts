import type { Check } from '../check.ts';
import { judged, run, skipped, type Finding } from '../finding.ts';
import type { Survey, SwitchFacts } from '../survey.ts';

/** Whether something hands frames without checksums to the userspace datapath, which passes them on as they are. */
export const checksumOffload: Check = {
  id: 'checksum-offload',
  run: async (survey, { commands }, signal) => {
    const { ovs } = survey;
    if (ovs === undefined || survey.kernelTunnels) return skipped('no tunnel is in a userspace datapath');
    const ends = await Promise.all(
      vethEnds(survey, ovs).map(async (end) => {
        const { stdout } = await commands.run(['ethtool', '-k', end.device], signal);
        return { ...end, features: stdout };
      }),
    );
    return judged(judgeOffloads(ends));
  },
};

/** An end of a veth pair, the other one of which is a port of Open vSwitch. */
interface VethEnd {
  readonly device: string;
  readonly port: string;
  readonly bridge: string;
}

/** Those in this network namespace; the ends in others are for those who made them. */
const vethEnds = ({ links }: Survey, { ports, bridges }: SwitchFacts): readonly VethEnd[] =>
  [...ports.values()].flatMap(({ name, bridge, type }): readonly VethEnd[] => {
    const link = links.get(name);
    if (type !== '' || link?.kind !== 'veth' || bridges.get(bridge)?.datapathType !== 'netdev') return [];
    const device = link.link;
    return device === undefined || ports.has(device) ? [] : [{ device, port: name, bridge }];
  });

/** `features` is what `ethtool -k` prints of the end. */
export const judgeOffloads = (ends: readonly (VethEnd & { readonly features: string })[]): readonly Finding[] =>
  ends.flatMap(({ device, port, bridge, features }): readonly Finding[] =>
    /^tx-checksumming: on/m.test(features)
      ? [
          {
            severity: 'error',
            title: `${device} leaves checksums undone, and behind ${port} in ${bridge} nobody does them: ping works, TCP does not`,
            evidence: [`ethtool -k ${device}: tx-checksumming: on`],
            remedy: [run('ethtool', '-K', device, 'tx', 'off')],
          },
        ]
      : [],
  );
