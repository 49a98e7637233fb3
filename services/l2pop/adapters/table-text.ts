import { DomainError } from '#platform/errors/domain-error.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { UdpPort } from '#platform/net/udp-port.ts';
import type { ForwardingEntry, Vtep } from '../domain/entry.ts';
import type { HostRecord, TableChange, TableRevision } from '../domain/table.ts';

// What is read here was written here, out of parsed values: casts instead of another round of parsing.

/** What of an entry does not depend on its host: `generation mac ip,ip`. */
export const bodyText = ({ generation, mac, ips }: ForwardingEntry): string =>
  `${generation.toString()} ${mac} ${ips.join(',')}`;

/** A host with entries, as the hosts hash keeps it. */
export interface StoredHost {
  readonly vtep: Vtep;
  readonly entries: number;
  readonly revision: number;
  readonly digest: string;
}

/** Reads `entries revision address udp digest`. */
export const parseHost = (id: string, text: string): StoredHost => {
  const [entries = '', revision = '', address = '', udp = '', digest = ''] = text.split(' ');
  if (digest === '') throw unreadable('host', text);
  return { vtep: vtep(id, address, udp), entries: Number(entries), revision: Number(revision), digest };
};

/** What `parseHost` reads. */
export const hostText = ({ entries, revision, vtep: { address, udpPort }, digest }: StoredHost): string =>
  `${entries.toString()} ${revision.toString()} ${address} ${udpPort.toString()} ${digest}`;

/** An entry as the entries hash keeps it. */
export interface StoredEntry {
  readonly portRevision: number;
  readonly entry: ForwardingEntry;
}

/** Reads `portRevision hostRevision revision host generation mac ips`; the VTEP stands with the host. */
export const parseEntry = (portId: string, text: string, hosts: ReadonlyMap<string, StoredHost>): StoredEntry => {
  const [portRevision, , , hostId = '', generation = '', mac = '', ips = ''] = text.split(' ');
  const host = hosts.get(hostId);
  if (host === undefined || mac === '') throw unreadable('entry', text);
  return { portRevision: Number(portRevision), entry: entry(portId, host.vtep, [generation, mac, ips]) };
};

/** Reads the fields of a record of the changes stream: cause, time, changes. */
export const parseRevision = (revision: number, fields: readonly string[]): TableRevision => {
  const field = (name: string): string => {
    const at = fields.indexOf(name);
    return at % 2 === 0 ? (fields[at + 1] ?? '') : '';
  };
  return { revision, cause: field('w'), time: Number(field('t')), changes: parseChanges(field('x')) };
};

/** Reads lines of `+ port host address udp generation mac ips[ | host address …]` and `- …`. */
export const parseChanges = (text: string): readonly TableChange[] => (text === '' ? [] : text.split('\n').map(change));

const change = (line: string): TableChange => {
  const [now = '', before] = line.split(' | ');
  const [sign, portId = '', ...place] = now.split(' ');
  const current = placed(portId, place);
  if (sign === '-') return { kind: 'removed', entry: current };
  if (before === undefined) return { kind: 'set', entry: current };
  return { kind: 'set', entry: current, previous: placed(portId, before.split(' ')) };
};

const placed = (portId: string, [hostId = '', address = '', udp = '', ...body]: readonly string[]): ForwardingEntry =>
  entry(portId, vtep(hostId, address, udp), body);

const vtep = (hostId: string, address: string, udp: string): Vtep => ({
  hostId: hostId as HostId,
  address: address as IpAddress,
  udpPort: Number(udp) as UdpPort,
});

const entry = (portId: string, at: Vtep, [generation = '', mac = '', ips = '']: readonly string[]): ForwardingEntry => {
  if (mac === '') throw unreadable('entry', portId);
  return {
    portId: portId as Uuid,
    mac: mac as MacAddress,
    ips: ips === '' ? [] : ips.split(',').map((ip) => ip as IpAddress),
    vtep: at,
    generation: BigInt(generation),
  };
};

/** Reads `revision time drift digestRevision digest expectedDigest`. */
export const parseRecord = (text: string): HostRecord => {
  const [revision, time, drift, digestRevision, digest = '-', expected = '-'] = text.split(' ');
  return {
    ackedRevision: Number(revision),
    time: Number(time),
    driftRepaired: Number(drift),
    digestRevision: Number(digestRevision),
    digest: digest === '-' ? '' : digest,
    expectedDigest: expected === '-' ? '' : expected,
  };
};

const unreadable = (what: string, text: string): DomainError =>
  new DomainError('internal', 'STORE_UNREADABLE', `the store holds ${JSON.stringify(text)} as a forwarding ${what}`);
