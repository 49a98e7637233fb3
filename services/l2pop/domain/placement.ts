import { linkLocalOf } from '#platform/net/eui64.ts';
import { type IpAddress, ipVersion } from '#platform/net/ip-address.ts';
import type { Host, Port, Vtep } from './entry.ts';
import { GONE, type TableOperation } from './table.ts';

/** What is known beside a port when its place is decided. */
export interface Surroundings {
  /** The host it is bound to, as far as this process knows it. */
  readonly host?: Host;
  /** The VTEP that came with the port's event, for a host this process does not know yet. */
  readonly vtep?: Vtep;
  /** Whether a dead host's ports are taken out of the table. */
  readonly withdrawDead: boolean;
  readonly redelivered: boolean;
}

/**
 * What a port's state means to the table of its network: it stands in it while it is bound to a host with a VTEP and is
 * administratively up.
 */
export const placePort = (port: Port, { host, vtep, withdrawDead, redelivered }: Surroundings): TableOperation => {
  const place = host?.vtep ?? vtep;
  const version = { port: port.revision, host: host?.revision ?? 0 };
  const dead = withdrawDead && host?.down === true;
  if (port.boundTo === undefined || !port.adminStateUp || place === undefined || dead) {
    // Of the same port revision, only a newer word on its host may put it back.
    return {
      kind: 'remove',
      version: port.boundTo === undefined ? { ...version, host: 0 } : version,
      portId: port.id,
      redelivered,
    };
  }
  const { id, mac, generation } = port;
  const entry = { portId: id, mac, ips: addressesOf(port), vtep: place, generation };
  return { kind: 'set', version, entry, redelivered };
};

/**
 * The addresses that others ask for. A VXLAN device with `proxy` drops the question for any other, so that of a port that
 * serves IPv6 its link-local address is among them: it is what router advertisements come from (RFC 4861 §4.2).
 */
const addressesOf = ({ mac, ips, serving = false }: Port): readonly IpAddress[] => {
  if (!serving || !ips.some((ip) => ipVersion(ip) === 6)) return ips;
  const linkLocal = linkLocalOf(mac);
  return ips.includes(linkLocal) ? ips : [...ips, linkLocal];
};

/** What the deletion of a port means; `revision` is that of its last state or a later one. */
export const removePort = ({ id, revision }: Port, redelivered: boolean): TableOperation => ({
  kind: 'remove',
  version: { port: revision, host: GONE },
  portId: id,
  redelivered,
});

/** Whether two VTEPs take packets at the same place. */
export const sameVtep = (a: Vtep | undefined, b: Vtep | undefined): boolean =>
  a === b || (a?.hostId === b?.hostId && a?.address === b?.address && a?.udpPort === b?.udpPort);
