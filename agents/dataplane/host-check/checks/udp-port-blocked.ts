import { ipVersion } from '#platform/net/ip-address.ts';
import type { Check } from '../check.ts';
import { judged, skipped, type Finding, type RemedyStep, run } from '../finding.ts';
import { firewalldZone, openPorts } from '../firewall/firewalld.ts';
import type { Packet } from '../firewall/packet.ts';
import { blockOf, type Ruleset } from '../firewall/read.ts';
import type { Blocked } from '../firewall/walk.ts';
import type { Survey } from '../survey.ts';

/** What a firewall does to the tunnels' packets, to and from each peer. */
export const udpPortBlocked: Check = {
  id: 'udp-port-blocked',
  run: async (survey, tools, signal) => {
    if (!survey.kernelTunnels) {
      return skipped("Open vSwitch' userspace datapath takes VXLAN before the kernel's firewall sees it");
    }
    const ruleset = await tools.ruleset(signal);
    if (ruleset === undefined) return skipped('neither nft nor iptables is installed: the rules cannot be read');
    const blocks = blocksOf(survey, ruleset);
    const zone = blocks.length === 0 ? undefined : await firewalldZone(survey.underlay, tools.commands, signal);
    return judged(judgeBlocks(blocks, zone));
  },
};

/** A packet of a tunnel, and what stops it. */
export interface TunnelBlock {
  readonly packet: Packet & { readonly udpPort: number };
  readonly blocked: Blocked;
}

/** Asks the rules about a packet from and to each peer; with no peers, from and to anybody. */
const blocksOf = (survey: Survey, ruleset: Ruleset): readonly TunnelBlock[] => {
  const [device] = survey.underlay;
  const version = survey.vtep === undefined ? 4 : ipVersion(survey.vtep);
  const ways = survey.peers.map(({ address, udpPort }) => ({
    version: ipVersion(address),
    address,
    device: survey.routes.get(address)?.device ?? device,
    udpPort,
  }));
  const asked = ways.length > 0 ? ways : [{ version, address: undefined, device, udpPort: undefined }];
  return asked.flatMap((way): readonly TunnelBlock[] => {
    const own = survey.vtep !== undefined && ipVersion(survey.vtep) === way.version ? survey.vtep : undefined;
    const incoming = survey.udpPorts.map((udpPort) => ({
      version: way.version,
      way: 'in' as const,
      udpPort,
      outDevice: '',
      ...(way.device !== undefined && { inDevice: way.device }),
      ...(way.address !== undefined && { source: way.address }),
      ...(own !== undefined && { destination: own }),
    }));
    const outgoing = (way.udpPort === undefined ? survey.udpPorts : [way.udpPort]).map((udpPort) => ({
      version: way.version,
      way: 'out' as const,
      udpPort,
      inDevice: '',
      ...(way.device !== undefined && { outDevice: way.device }),
      ...(own !== undefined && { source: own }),
      ...(way.address !== undefined && { destination: way.address }),
    }));
    return [...incoming, ...outgoing].flatMap((packet) => {
      const blocked = blockOf(ruleset, packet);
      return blocked === undefined ? [] : [{ packet, blocked }];
    });
  });
};

/** One finding per port and way; `zone` is firewalld's for the underlay, where firewalld runs. */
const judgeBlocks = (blocks: readonly TunnelBlock[], zone: string | undefined): readonly Finding[] => {
  const groups = Map.groupBy(blocks, ({ packet }) => `${packet.way} ${packet.udpPort}`);
  return [...groups.values()].map((group) => {
    const [first] = group;
    if (first === undefined) throw new TypeError('groups are never empty');
    const { packet } = first;
    const certain = group.some(({ blocked }) => blocked.unless === undefined);
    const direction = packet.way === 'in' ? 'coming in' : 'going out';
    return {
      severity: certain ? 'error' : 'warning',
      title: `the firewall ${certain ? 'drops' : 'may drop'} VXLAN ${direction}: UDP port ${packet.udpPort}`,
      evidence: [...new Set(group.map(evidenceOf))],
      ...remedyOf(first, zone),
    };
  });
};

const evidenceOf = ({ packet, blocked: { table, base, by, unless } }: TunnelBlock): string => {
  const peer = packet.way === 'in' ? packet.source : packet.destination;
  const who = peer === undefined ? '' : ` ${packet.way === 'in' ? 'from' : 'to'} ${peer}`;
  const doubt = unless === undefined ? '' : ` (unless this lets it pass: ${unless})`;
  return `${table.tool === 'nft' ? 'nftables' : table.tool}, table ${table.name}, chain ${base.name}${who}: ${by}${doubt}`;
};

const remedyOf = (
  { packet, blocked: { table, base } }: TunnelBlock,
  zone: string | undefined,
): { readonly remedy: readonly RemedyStep[]; readonly fixable?: boolean } => {
  const port = packet.udpPort.toString();
  const isFirewalld = zone !== undefined && (table.name.endsWith(' firewalld') || table.tool !== 'nft');
  if (isFirewalld && packet.way === 'in') return { remedy: openPorts(packet.udpPort, zone), fixable: true };
  return {
    remedy: [
      table.tool === 'nft'
        ? run('nft', 'insert', 'rule', ...table.name.split(' '), base.name, 'udp', 'dport', port, 'accept')
        : run(table.tool, '-t', table.name, '-I', base.name, '-p', 'udp', '--dport', port, '-j', 'ACCEPT'),
    ],
  };
};
