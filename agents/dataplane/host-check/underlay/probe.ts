import { DomainError } from '#platform/errors/domain-error.ts';
import type { IpAddress, IpVersion } from '#platform/net/ip-address.ts';
import { ipVersion } from '#platform/net/ip-address.ts';
import { jsonObjects, type CommandRunner } from '../../sys/command.ts';
import type { Peer, Survey } from '../survey.ts';

/** What came of asking a peer by ICMP echo with "don't fragment" set. */
export type PeerProbe =
  | { readonly kind: 'no-route' }
  /** Nothing came back; `neighbour` is what the kernel knows of it, where it is on the link. */
  | { readonly kind: 'silent'; readonly device: string; readonly neighbour?: string }
  /** `pathMtu` arrives, in bytes of the IP packet. It is the largest such, or some more may arrive, but not `lostMtu`. */
  | {
      readonly kind: 'answers';
      readonly device: string;
      readonly ownMtu: number;
      readonly pathMtu: number;
      readonly lostMtu?: number;
    };

export type PeerProbes = ReadonlyMap<IpAddress, PeerProbe>;

/** IPv4 20 or IPv6 40, and ICMP 8 (RFC 792, RFC 4443). */
const HEADERS: Readonly<Record<IpVersion, number>> = { 4: 28, 6: 48 };
/** What every link must carry (RFC 791, RFC 8200 §5), and so the least that is worth asking for. */
const LEAST: Readonly<Record<IpVersion, number>> = { 4: 68, 6: 1_280 };
const WAIT_S = '0.5';
/** Searches for the exact size end here; the check has a deadline of its own. */
const SEARCH_MS = 14_000;

/** Asks all peers, many at once. Rejects when there is no `ping`, or it may not ask. */
export const probePeers = async (
  { peers, routes, vtep }: Survey,
  commands: CommandRunner,
  signal: AbortSignal,
): Promise<PeerProbes> => {
  const until = performance.now() + SEARCH_MS;
  const probes = peers.map(async ({ address }: Peer): Promise<readonly [IpAddress, PeerProbe]> => {
    const route = routes.get(address);
    if (route === undefined) return [address, { kind: 'no-route' }];
    const from = vtep !== undefined && ipVersion(vtep) === ipVersion(address) ? vtep : undefined;
    return [address, await probe({ address, from, commands, until }, route, signal)];
  });
  return new Map(await Promise.all(probes));
};

interface Target {
  readonly address: IpAddress;
  readonly from: IpAddress | undefined;
  readonly commands: CommandRunner;
  readonly until: number;
}

const probe = async (
  target: Target,
  { device, mtu: ownMtu }: { readonly device: string; readonly mtu: number },
  signal: AbortSignal,
): Promise<PeerProbe> => {
  const full = await send(target, ownMtu, signal);
  if (full.arrived) return { kind: 'answers', device, ownMtu, pathMtu: ownMtu };
  const least = LEAST[ipVersion(target.address)];
  if (!(await send(target, least, signal)).arrived) {
    const neighbour = await neighbourState(target, device, signal);
    return { kind: 'silent', device, ...(neighbour !== undefined && { neighbour }) };
  }
  const bounds = await search(target, { good: least, bad: ownMtu, hint: full.mtu }, signal);
  return {
    ...{ kind: 'answers', device, ownMtu, pathMtu: bounds.good },
    ...(bounds.bad > bounds.good + 1 && { lostMtu: bounds.bad }),
  };
};

const search = async (
  target: Target,
  { good, bad, hint }: { good: number; bad: number; hint: number | undefined },
  signal: AbortSignal,
): Promise<{ readonly good: number; readonly bad: number }> => {
  // A router on the way said what it takes: two questions tell whether that is all.
  let next = hint;
  while (bad > good + 1 && performance.now() < target.until) {
    const size = next !== undefined && next > good && next < bad ? next : Math.floor((good + bad) / 2);
    const { arrived, mtu } = await send(target, size, signal);
    if (arrived) good = size;
    else bad = size;
    next = arrived && size === hint ? size + 1 : mtu;
  }
  return { good, bad };
};

/** Whether one of two packets of `size` bytes came back, and the MTU that somebody on the way named. */
const send = async (
  { address, from, commands }: Target,
  size: number,
  signal: AbortSignal,
): Promise<{ readonly arrived: boolean; readonly mtu: number | undefined }> => {
  const payload = Math.max(0, size - HEADERS[ipVersion(address)]).toString();
  const source = from === undefined ? [] : ['-I', from];
  const argv = [
    'ping',
    '-n',
    '-q',
    '-c',
    '2',
    '-i',
    '0.2',
    '-W',
    WAIT_S,
    '-M',
    'do',
    '-s',
    payload,
    ...source,
    address,
  ];
  const { status, stdout, stderr } = await commands.run(argv, signal);
  // 1 is no answer (ping(8)); all else is about ping itself, such as that it may not open its socket.
  if (status > 1) throw new DomainError('unavailable', 'PING_FAILED', `${argv.join(' ')}: ${stderr.trim()}`);
  const mtu = /\bmtu ?= ?(?<mtu>\d+)/.exec(`${stdout}\n${stderr}`)?.groups?.['mtu'];
  return { arrived: status === 0, mtu: mtu === undefined ? undefined : Number(mtu) };
};

const neighbourState = async (
  { address, commands }: Target,
  device: string,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { stdout } = await commands.run(['ip', '-json', 'neigh', 'show', 'to', address, 'dev', device], signal);
  const [row] = jsonObjects('ip neigh', stdout);
  const states: unknown = row?.['state'];
  return Array.isArray(states) && typeof states[0] === 'string' ? states[0] : undefined;
};
