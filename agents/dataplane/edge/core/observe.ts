import { DomainError } from '#platform/errors/domain-error.ts';
import { jsonObjects } from '../../sys/command.ts';
import type { CommandRunner } from '../../sys/command.ts';
import type { ObservedEdge, ObservedEdgeLink, ObservedNamespace, ObservedRoute, WantedNamespace } from './model.ts';
import { namespaceName } from './names.ts';

type Dumped = Readonly<Record<string, unknown>>;

// What the tools say of what is not there, which is an answer.
const ABSENT = /^$|^Command failed|Cannot find device|does not exist|No such device/;
const NO_NAMESPACE = /Cannot open network namespace|Invalid netns|setting the network namespace/;

/**
 * Reads a namespace back, and the host's ends of its links: two programs at once, a third where settings are wanted. Only
 * the kind and the id are needed of a namespace that is to go.
 */
export const observeEdge = async (
  commands: CommandRunner,
  wanted: Pick<WantedNamespace, 'kind' | 'id'> & Partial<Pick<WantedNamespace, 'links' | 'sysctls'>>,
  signal: AbortSignal,
): Promise<ObservedEdge> => {
  const name = namespaceName(wanted.kind, wanted.id);
  const [namespace, taps] = await Promise.all([
    observeNamespace(commands, name, wanted.sysctls ?? [], signal),
    observeTaps(commands, wanted.links?.map(({ tap }) => tap) ?? [], signal),
  ]);
  return { namespace, taps };
};

const observeNamespace = async (
  commands: CommandRunner,
  name: string,
  sysctls: readonly string[],
  signal: AbortSignal,
): Promise<ObservedNamespace | undefined> => {
  const command = ['ip', '-n', name, '-force', '-json', '-details', '-batch', '-'];
  const [{ status, stdout, stderr }, settings] = await Promise.all([
    // Of all tables, since one alone is shown of IPv4 only.
    commands.run(command, signal, { input: 'addr show\nroute show table all\nneigh show nud permanent\n' }),
    observeSysctls(commands, name, sysctls, signal),
  ]);
  if (NO_NAMESPACE.test(stderr)) return undefined;
  if (status !== 0 || stderr.split('\n').some((line) => !ABSENT.test(line))) throw notReadBack(command, stderr);
  const links = new Map<string, ObservedEdgeLink>();
  const routes: ObservedRoute[] = [];
  const neighbours: ObservedNamespace['neighbours'][number][] = [];
  for (const dumped of jsonObjects(command.join(' '), stdout)) {
    const link = linkOf(dumped);
    if (link !== undefined) links.set(link.name, link);
    const route = routeOf(dumped);
    if (route !== undefined) routes.push(route);
    const [ip, mac, device] = [dumped['dst'], dumped['lladdr'], dumped['dev']].map(text);
    if (ip !== undefined && mac !== undefined && device !== undefined) neighbours.push({ ip, mac, device });
  }
  return { links, routes, neighbours, sysctls: settings };
};

const observeTaps = async (
  commands: CommandRunner,
  taps: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ObservedEdgeLink>> => {
  const links = new Map<string, ObservedEdgeLink>();
  if (taps.length === 0) return links;
  const command = ['ip', '-force', '-json', '-details', '-batch', '-'];
  const input = taps.map((tap) => `link show dev ${tap}\n`).join('');
  const { stdout, stderr } = await commands.run(command, signal, { input });
  if (stderr.split('\n').some((line) => !ABSENT.test(line))) throw notReadBack(command, stderr);
  for (const dumped of jsonObjects(command.join(' '), stdout)) {
    const link = linkOf(dumped);
    if (link !== undefined) links.set(link.name, link);
  }
  return links;
};

/** Settings that the kernel does not have are left out, and so is all where there is no namespace. */
const observeSysctls = async (
  commands: CommandRunner,
  namespace: string,
  settings: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> => {
  if (settings.length === 0) return new Map();
  const names = settings.map((setting) => setting.split('=')[0] ?? '');
  const { stdout } = await commands.run(['ip', 'netns', 'exec', namespace, 'sysctl', '-e', ...names], signal);
  return new Map(
    stdout.split('\n').flatMap((line): [string, string][] => {
      const [name, value] = line.split(/ = (.*)/s);
      return name === undefined || value === undefined ? [] : [[name, value]];
    }),
  );
};

const notReadBack = (command: readonly string[], stderr: string): DomainError =>
  new DomainError('internal', 'NOT_READ_BACK', `${command.join(' ')}: ${stderr.trim()}`, { details: { stderr } });

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const isObject = (value: unknown): value is Dumped =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const linkOf = (dumped: Dumped): ObservedEdgeLink | undefined => {
  const name = text(dumped['ifname']);
  const index = number(dumped['ifindex']);
  if (name === undefined || index === undefined || !Array.isArray(dumped['flags'])) return undefined;
  const info = dumped['linkinfo'];
  const kind = isObject(info) ? text(info['info_kind']) : undefined;
  const peerIndex = number(dumped['link_index']);
  const alias = text(dumped['ifalias']);
  const addresses = Array.isArray(dumped['addr_info']) ? dumped['addr_info'].filter(isObject) : [];
  return {
    name,
    index,
    mac: text(dumped['address']) ?? '',
    mtu: number(dumped['mtu']) ?? 0,
    up: dumped['flags'].includes('UP'),
    addresses: addresses.flatMap((each) => {
      const local = text(each['local']);
      const length = number(each['prefixlen']);
      const isLinkLocal = each['family'] === 'inet6' && each['scope'] === 'link';
      return local === undefined || length === undefined || isLinkLocal ? [] : [`${local}/${length.toString()}`];
    }),
    ...(kind !== undefined && { kind }),
    ...(peerIndex !== undefined && { peerIndex }),
    ...(alias !== undefined && { alias }),
  };
};

const routeOf = (dumped: Dumped): ObservedRoute | undefined => {
  const destination = text(dumped['dst']);
  const protocol = text(dumped['protocol']);
  const isMain = dumped['table'] === 'main' || dumped['table'] === undefined;
  if (destination === undefined || !isMain || protocol === 'kernel' || protocol === 'ra') return undefined;
  if (!('protocol' in dumped)) return undefined;
  const gateway = text(dumped['gateway']);
  const device = text(dumped['dev']);
  const metric = number(dumped['metric']);
  // A route of IPv6 tells its preference, RFC 4191; `default` is said of both.
  const version = destination.includes(':') || gateway?.includes(':') === true || 'pref' in dumped ? 6 : 4;
  return {
    destination,
    version,
    ...(gateway !== undefined && { via: gateway }),
    ...(device !== undefined && { device }),
    ...(metric !== undefined && { metric }),
  };
};
