import { hash } from 'node:crypto';

/**
 * The digest of forwarding rows that a host and l2pop compare: the XOR of 64-bit row hashes, so that it neither depends on
 * an order nor has to be made anew when a row comes or goes. A row's hash is the first 16 hexadecimal digits of the SHA-1
 * of its canonical text (`fdbRow`, `neighbourRow`, `floodRow`; MAC and IP addresses in their canonical form). It finds
 * drift, not attackers.
 */
export type Digest = bigint;

/** The digest of no rows. */
export const NO_ROWS: Digest = 0n;

/** A unicast FDB row of the VXLAN device: the MAC address is behind that VTEP. */
export const fdbRow = (mac: string, vtepAddress: string): string => `fdb ${mac} ${vtepAddress}`;

/** A permanent neighbour of the VXLAN device. */
export const neighbourRow = (ip: string, mac: string): string => `neigh ${ip} ${mac}`;

/** A destination of head-end replication. */
export const floodRow = (vtepAddress: string): string => `flood ${vtepAddress}`;

/** The hash of one row's text. */
export const rowHash = (row: string): Digest => hash('sha1', row, 'buffer').readBigUInt64BE(0);

/** Both together; what is in both cancels out, so this adds rows as well as it takes them away. */
export const xor = (a: Digest, b: Digest): Digest => a ^ b;

/** The digest of rows given as text; a row given twice counts as none. */
export const digestOfRows = (rows: Iterable<string>): Digest => {
  let digest = NO_ROWS;
  for (const row of rows) digest ^= rowHash(row);
  return digest;
};

/** As it travels: 16 lower-case hexadecimal digits. */
export const formatDigest = (digest: Digest): string => digest.toString(16).padStart(16, '0');

/** Reads what `formatDigest` wrote; undefined for anything else. */
export const parseDigest = (text: string): Digest | undefined =>
  /^[0-9a-f]{16}$/.test(text) ? BigInt(`0x${text}`) : undefined;

/** What of a forwarding entry makes rows. */
export interface DigestEntry {
  readonly mac: string;
  readonly ips: readonly string[];
  readonly vtep: { readonly hostId: string; readonly address: string };
}

/** The unicast and neighbour rows of one entry. */
export const entryRows = ({ mac, ips, vtep }: DigestEntry): readonly string[] => [
  fdbRow(mac, vtep.address),
  ...ips.map((ip) => neighbourRow(ip, mac)),
];

/**
 * The digest of the rows that `exceptHost` needs for a table: those of all entries of other hosts, and one flood row for
 * each other host that has any. Without `exceptHost`: of the whole table.
 */
export const digestOf = (entries: Iterable<DigestEntry>, exceptHost?: string): Digest => {
  let digest = NO_ROWS;
  const flooded = new Map<string, string>();
  for (const entry of entries) {
    const { hostId, address } = entry.vtep;
    if (hostId === exceptHost) continue;
    digest ^= digestOfRows(entryRows(entry));
    flooded.set(hostId, address);
  }
  for (const address of flooded.values()) digest ^= rowHash(floodRow(address));
  return digest;
};
