import type { Check } from '../check.ts';
import { judged, PASSED, run, skipped, type Finding } from '../finding.ts';
import type { Packet } from '../firewall/packet.ts';
import { blockOf, type Ruleset } from '../firewall/read.ts';
import type { Survey } from '../survey.ts';

const CALLS = [
  [4, 'net.bridge.bridge-nf-call-iptables'],
  [6, 'net.bridge.bridge-nf-call-ip6tables'],
] as const;

/** Whether br_netfilter hands bridged frames to a firewall that drops what is forwarded. */
export const bridgeFiltered: Check = {
  id: 'bridge-filtered',
  run: async (survey, tools, signal) => {
    const bridges = bridgesOf(survey);
    if (bridges.length === 0) return skipped('no Linux bridge of this host carries overlay traffic');
    const calling: (typeof CALLS)[number][] = [];
    for (const call of CALLS) if ((await tools.sysctl.read(call[1], signal)) === '1') calling.push(call);
    if (calling.length === 0) return PASSED;
    const ruleset = await tools.ruleset(signal);
    if (ruleset === undefined) return skipped('neither nft nor iptables is installed: the rules cannot be read');
    return judged(calling.flatMap(([version, setting]) => judgeBridges(bridges, version, setting, ruleset)));
  },
};

/** Where the first guest of the first network would be, when there is none yet. */
const SAMPLE = 'brq00000000-00';

const bridgesOf = ({ driver, overlays, links }: Survey): readonly string[] => {
  const linked = overlays.flatMap((overlay) => overlay.links.map(({ bridge }) => bridge as string));
  if (driver !== 'linuxbridge') return [...new Set(linked)];
  const own = [...links.keys()].filter((name) => name.startsWith('brq'));
  return [...new Set([...(own.length === 0 ? [SAMPLE] : own), ...linked])];
};

/** One finding per rule that stops frames between two ports of a bridge. */
const judgeBridges = (
  bridges: readonly string[],
  version: Packet['version'],
  setting: string,
  ruleset: Ruleset,
): readonly Finding[] => {
  const blocks = bridges.flatMap((bridge) => {
    const packet: Packet = { version, way: 'through', inDevice: bridge, outDevice: bridge, bridged: true };
    const blocked = blockOf(ruleset, packet);
    return blocked === undefined ? [] : [{ bridge, blocked }];
  });
  const groups = Map.groupBy(blocks, ({ blocked: { table, by } }) => `${table.tool} ${table.name} ${by}`);
  return [...groups.values()].map((group): Finding => {
    const [first] = group;
    if (first === undefined) throw new TypeError('groups are never empty');
    const { table, base, by, unless } = first.blocked;
    const names = group.map(({ bridge }) => bridge).join(', ');
    return {
      severity: unless === undefined ? 'error' : 'warning',
      title: `the firewall ${unless === undefined ? 'drops' : 'may drop'} IPv${version} frames between guests on bridges: ${names}`,
      evidence: [
        `${setting} is 1: bridged frames pass the firewall as if they were forwarded`,
        `${table.tool}, table ${table.name}, chain ${base.name}: ${by}${unless === undefined ? '' : ` (unless this lets it pass: ${unless})`}`,
      ],
      remedy: [run('sysctl', '-w', `${setting}=0`)],
    };
  });
};
