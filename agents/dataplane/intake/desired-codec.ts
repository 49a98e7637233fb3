import { z } from 'zod';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseIp, type IpAddress } from '#platform/net/ip-address.ts';
import { parseMac, type MacAddress } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { parseVni } from '#platform/net/vni.ts';
import type { ForwardingEntry, LocalPort, NetworkFacts } from '../model/intent.ts';
import { OWN_ADDRESSES_ONLY } from '../model/port-security.ts';
import { isNumberWithoutVni } from '../plan/segment.ts';
import type { NetworkTable } from './network-table.ts';

/** What a state file's header line says; the last one holds. */
export interface StateHeader {
  readonly kind: 'header';
  readonly facts: NetworkFacts;
  readonly revision: bigint;
  readonly manualFlood: readonly IpAddress[];
}

/** What a state file's port line says; the last one about a port holds, and one without either means it is gone. */
export interface StatePort {
  readonly kind: 'port';
  readonly portId: string;
  readonly entry?: ForwardingEntry;
  readonly local?: LocalPort;
}

const ip = z.string().transform((text) => parseIp('ip', text));
const mac = z.string().transform((text) => parseMac('mac', text));
const count = z.string().regex(/^\d+$/).transform(BigInt);

const cidr = z.string().transform((text) => parseCidr('cidr', text));
/** A port of a state that does not say may use its own addresses. */
const Security = z
  .object({ enabled: z.boolean(), pairs: z.array(z.object({ mac, cidr })), revision: count })
  .default(OWN_ADDRESSES_ONLY as { enabled: boolean; pairs: never[]; revision: bigint });

const Header = z.object({
  network: z.string().transform((text) => parseUuid('network', text)),
  vni: z
    .number()
    .transform((number) => (isNumberWithoutVni(number) ? (number as NetworkFacts['vni']) : parseVni('vni', number))),
  mtu: z.number(),
  provider: z.object({ physicalNetwork: z.string(), device: z.string(), vlan: z.number().optional() }).optional(),
  revision: count,
  flood: z.array(ip),
});
const PortLine = z.object({
  port: z.string(),
  entry: z.object({ mac, ips: z.array(ip), host: z.string(), vtep: ip, udp: z.number(), generation: count }).optional(),
  local: z.object({ device: z.string(), mac, ips: z.array(ip), generation: count, security: Security }).optional(),
});

/** A header line, with its newline. */
export const tableHeader = (table: NetworkTable): string =>
  `${JSON.stringify({ network: table.networkId, vni: table.vni, mtu: table.mtu, provider: table.provider, revision: String(table.revision), flood: [...table.manualFlood] })}\n`;

/** The line for one port as the table has it now, with its newline. */
export const stateLine = (portId: string, table: NetworkTable): string => {
  const entry = table.entries.get(portId);
  const local = table.ports.get(portId);
  return `${JSON.stringify({
    port: portId,
    ...(entry && {
      entry: {
        mac: entry.mac,
        ips: entry.ips,
        host: entry.vtep.hostId,
        vtep: entry.vtep.address,
        udp: entry.vtep.udpPort,
        generation: String(entry.generation),
      },
    }),
    ...(local && {
      local: {
        device: local.device,
        mac: local.mac,
        ips: local.ips,
        generation: String(local.generation),
        security: {
          enabled: local.security.enabled,
          pairs: local.security.pairs.map((pair) => ({ mac: pair.mac, cidr: pair.cidr.text })),
          revision: String(local.security.revision),
        },
      },
    }),
  })}\n`;
};

/** Reads a line that one of the two above wrote; throws on anything else. */
export const parseStateLine = (line: string): StateHeader | StatePort => {
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null && 'network' in value) {
    const header = Header.parse(value);
    return {
      kind: 'header',
      facts: {
        ...{ networkId: header.network, vni: header.vni, mtu: header.mtu },
        ...(header.provider !== undefined && { provider: header.provider }),
      },
      revision: header.revision,
      manualFlood: header.flood,
    };
  }
  const { port: portId, entry, local } = PortLine.parse(value);
  return {
    kind: 'port',
    portId,
    ...(entry && { entry: toEntry(portId, entry) }),
    ...(local && { local: { portId, ...local } }),
  };
};

const toEntry = (
  portId: string,
  entry: { mac: MacAddress; ips: IpAddress[]; host: string; vtep: IpAddress; udp: number; generation: bigint },
): ForwardingEntry => ({
  portId,
  mac: entry.mac,
  ips: entry.ips,
  vtep: { hostId: entry.host, address: entry.vtep, udpPort: entry.udp },
  generation: entry.generation,
});
