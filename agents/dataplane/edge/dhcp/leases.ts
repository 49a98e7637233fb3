import { parseIp } from '#platform/net/ip-address.ts';
import { leaseKey } from './desired.ts';

/** A lease as dnsmasq keeps it. */
export interface Lease {
  /** The line of its file. */
  readonly line: string;
  readonly ip: string;
  /** Of IPv4. */
  readonly mac?: string;
  /** Of IPv6: the client's identifier and that of its interface (RFC 8415). */
  readonly duid?: string;
  readonly iaid?: string;
}

/** dnsmasq's lease file. */
export interface LeaseFile {
  readonly leases: readonly Lease[];
  /** Its own identifier towards clients of IPv6. */
  readonly serverDuid?: string;
}

/** Reads a lease file: `expiry MAC IP name client-id`, and behind `duid …` `expiry IAID IP name DUID`. */
export const parseLeases = (text: string): LeaseFile => {
  const leases: Lease[] = [];
  let serverDuid: string | undefined;
  for (const line of text.split('\n')) {
    const [first = '', second = '', ip = '', , identifier = ''] = line.split(' ');
    if (first === 'duid') serverDuid = second;
    else if (ip === '') continue;
    else if (serverDuid === undefined) leases.push({ line, ip, mac: second.toLowerCase() });
    // Temporary addresses are written with a T.
    else leases.push({ line, ip: canonical(ip), duid: identifier, iaid: second.replace('T', '') });
  }
  return { leases, ...(serverDuid !== undefined && { serverDuid }) };
};

/** Leases of addresses that their holder may not have any more: the next one is not given them while these last. */
export const staleLeases = ({ leases }: LeaseFile, wanted: ReadonlySet<string>): readonly Lease[] => {
  const ips = new Set([...wanted].map((key) => key.split(' ')[1] ?? ''));
  return leases.filter(({ ip, mac, duid }) => {
    const holder = mac ?? macOfDuid(duid ?? '');
    // An identifier that tells no MAC address may be anybody's who may have the address.
    return holder === undefined ? !ips.has(ip) : !wanted.has(leaseKey(holder, ip));
  });
};

/** The text without these. */
export const withoutLeases = (text: string, stale: readonly Lease[]): string => {
  const gone = new Set(stale.map(({ line }) => line));
  return text
    .split('\n')
    .filter((line) => !gone.has(line))
    .join('\n');
};

/** RFC 8415, 11.2 and 11.4: of Ethernet, with a time or without; `00:01:00:01:TT:TT:TT:TT:MAC`, `00:03:00:01:MAC`. */
const macOfDuid = (duid: string): string | undefined => {
  const bytes = duid.toLowerCase().split(':');
  const type = bytes.slice(0, 4).join(':');
  if (type === '00:01:00:01' && bytes.length === 14) return bytes.slice(8).join(':');
  return type === '00:03:00:01' && bytes.length === 10 ? bytes.slice(4).join(':') : undefined;
};

const canonical = (ip: string): string => {
  try {
    return parseIp('lease', ip);
  } catch {
    return ip;
  }
};
