import { DomainError } from '#platform/errors/domain-error.ts';
import { bigIntToIp, ipToBigInt, ipVersion, parseIp } from '#platform/net/ip-address.ts';
import type {
  EdgeStep,
  ObservedEdge,
  ObservedEdgeLink,
  ObservedNamespace,
  ObservedRoute,
  WantedLink,
  WantedNamespace,
  WantedNeighbour,
  WantedRoute,
} from './model.ts';
import { edgeMark, namespaceName } from './names.ts';
import { namespaceKey, stepMaker } from './steps.ts';
import type { StepMaker } from './steps.ts';

/** The steps about one namespace, in this order; others' may stand between. All empty when it is right. */
export interface NamespacePlan {
  /** The namespace, its settings, its links and their addresses; links that are new stay down. */
  readonly make: readonly EdgeStep[];
  /** Links go up, routes come: from here on frames flow. */
  readonly open: readonly EdgeStep[];
  /** Addresses, routes and links that are not wanted go. */
  readonly prune: readonly EdgeStep[];
}

/**
 * desired − observed of one namespace: never more steps than differences. Throws `precondition` (FOREIGN_NAMESPACE,
 * FOREIGN_DEVICE) when what bears a wanted name is not the agent's.
 */
export const planNamespace = (wanted: WantedNamespace, observed: ObservedEdge): NamespacePlan => {
  const { kind, id } = wanted;
  const name = namespaceName(kind, id);
  const steps = stepMaker(kind, id);
  const mark = edgeMark(kind, id);
  const seen = observed.namespace;
  if (seen !== undefined) requireOurs(name, mark, seen);
  const make: EdgeStep[] = [];
  const open: EdgeStep[] = [];
  const prune: EdgeStep[] = [];
  const key = namespaceKey(name);

  if (seen === undefined) {
    make.push(steps.host('add-namespace', key, ['netns', 'add', name], whyNamespace(wanted)));
  }
  const lo = seen?.links.get('lo');
  const loopback = [...(lo?.alias === mark ? [] : ['alias', mark]), ...(lo?.up === true ? [] : ['up'])];
  if (loopback.length > 0) {
    make.push(
      steps.inside('mark-namespace', 'link:lo', ['link', 'set', 'dev', 'lo', ...loopback], `marks ${name} as weft's`),
    );
  }
  const isRight = (setting: string): boolean => {
    const [path = '', value] = setting.split(/=(.*)/s);
    const found = seen?.sysctls.get(path);
    // What the kernel does not have need not be shut.
    return seen !== undefined && (found === undefined || found === value);
  };
  const general = wanted.sysctls.filter((each) => !isOfDevice(each, wanted) && !isRight(each));
  make.push(...sysctlSteps(steps, name, general));

  const remade = new Set<string>();
  for (const link of wanted.links) {
    const inside = seen?.links.get(link.name);
    const tap = observed.taps.get(link.tap);
    const isPair = isPairOf(inside, tap);
    if (!isPair) {
      remade.add(link.name);
      if (tap !== undefined) make.push(replaceTap(steps, link, tap));
      else if (inside !== undefined) make.push(replaceInside(steps, link));
      make.push(addVeth(steps, name, link));
    }
    planLink(steps, mark, link, isPair ? { inside, tap } : {}, { make, open, prune });
  }
  // A device's settings are there when it is.
  const ofDevices = wanted.sysctls.filter((each) => {
    const device = isOfDevice(each, wanted);
    return device !== undefined && (remade.has(device) || !isRight(each));
  });
  make.push(...sysctlSteps(steps, name, ofDevices));

  const routes = seen?.routes.filter(({ device }) => device === undefined || !remade.has(device)) ?? [];
  planRoutes(steps, wanted.routes, routes, { open, prune });
  const neighbours = seen?.neighbours.filter(({ device }) => !remade.has(device)) ?? [];
  planNeighbours(steps, wanted.neighbours ?? [], neighbours, { open, prune });
  const names = new Set(wanted.links.map((link) => link.name));
  for (const link of seen?.links.values() ?? []) {
    if (names.has(link.name) || link.alias !== mark || link.name === 'lo') continue;
    prune.push(
      steps.inside(
        'delete-veth',
        `link:${link.name}`,
        ['link', 'del', 'dev', link.name],
        `no port of ${whose(wanted)} is ${link.name} any more`,
      ),
    );
  }
  return { make, open, prune };
};

/** Takes the namespace away with all links in it. What runs in it is ended before. Empty when it is not the agent's. */
export const planNamespaceRemoval = (
  { kind, id }: Pick<WantedNamespace, 'kind' | 'id'>,
  observed: ObservedEdge,
  reason: string,
): readonly EdgeStep[] => {
  const name = namespaceName(kind, id);
  const steps = stepMaker(kind, id);
  const mark = edgeMark(kind, id);
  const seen = observed.namespace;
  const operations: EdgeStep[] = [];
  if (seen !== undefined && isOurs(mark, seen)) {
    // The kernel takes the links of a namespace apart some time after its end; their other ends are to be gone now.
    for (const link of seen.links.values()) {
      if (link.alias !== mark || link.name === 'lo') continue;
      operations.push(steps.inside('delete-veth', `link:${link.name}`, ['link', 'del', 'dev', link.name], reason));
    }
    operations.push(steps.host('delete-namespace', namespaceKey(name), ['netns', 'del', name], reason));
  }
  return operations;
};

/** Whether a namespace of one of our names is the agent's: marked, or just made by an agent that died before it could mark it. */
const isOurs = (mark: string, { links }: ObservedNamespace): boolean => {
  const lo = links.get('lo');
  return lo?.alias === mark || (lo?.alias === undefined && lo?.up === false && links.size === 1);
};

const requireOurs = (name: string, mark: string, observed: ObservedNamespace): void => {
  if (isOurs(mark, observed)) return;
  const alias = observed.links.get('lo')?.alias ?? '';
  throw new DomainError(
    'precondition',
    'FOREIGN_NAMESPACE',
    `namespace ${name} exists and is not weft's: the alias of its lo is ${JSON.stringify(alias)}, not ` +
      `${JSON.stringify(mark)}; remove it (ip netns del ${name})`,
    { details: { namespace: name } },
  );
};

const whose = ({ kind, id }: Pick<WantedNamespace, 'kind' | 'id'>): string =>
  kind === 'dhcp' ? `DHCP of network ${id}` : `router ${id}`;

const whyNamespace = (wanted: WantedNamespace): string => `this host serves ${whose(wanted)}`;

const isPairOf = (inside: ObservedEdgeLink | undefined, tap: ObservedEdgeLink | undefined): boolean =>
  inside !== undefined &&
  tap !== undefined &&
  inside.kind === 'veth' &&
  tap.kind === 'veth' &&
  inside.peerIndex === tap.index &&
  tap.peerIndex === inside.index;

const linkKey = (device: string): string => `link:${device}`;
const about = ({ networkId, portId }: WantedLink): { networkId: string; portId: string } => ({ networkId, portId });

const addVeth = (steps: StepMaker, namespace: string, link: WantedLink): EdgeStep =>
  steps.host(
    'add-veth',
    linkKey(link.name),
    ['link', 'add', link.tap, 'type', 'veth', 'peer', 'name', link.name, 'netns', namespace],
    `port ${link.portId} is ${link.name} in ${namespace} and ${link.tap} on this host`,
    { ...about(link), needs: [namespaceKey(namespace)] },
  );

const replaceTap = (steps: StepMaker, link: WantedLink, tap: ObservedEdgeLink): EdgeStep => {
  // What plugs it into its network marks it as that network's port.
  const isOurTap = tap.kind === 'veth' && (tap.alias === undefined || tap.alias.startsWith('weft:'));
  if (!isOurTap) {
    throw new DomainError(
      'precondition',
      'FOREIGN_DEVICE',
      `${tap.name} exists and is not weft's: it is to be port ${link.portId}; remove or rename it`,
      { details: { device: tap.name } },
    );
  }
  const reason = `the other end of ${tap.name} is not ${link.name}`;
  return steps.host('delete-veth', linkKey(link.name), ['link', 'del', 'dev', tap.name], reason, about(link));
};

const replaceInside = (steps: StepMaker, link: WantedLink): EdgeStep =>
  steps.inside(
    'delete-veth',
    linkKey(link.name),
    ['link', 'del', 'dev', link.name],
    `${link.name} has lost its other end`,
    about(link),
  );

const NEW_MTU = 1_500;

const planLink = (
  steps: StepMaker,
  mark: string,
  link: WantedLink,
  seen: { readonly inside?: ObservedEdgeLink | undefined; readonly tap?: ObservedEdgeLink | undefined },
  { make, open, prune }: { make: EdgeStep[]; open: EdgeStep[]; prune: EdgeStep[] },
): void => {
  const { inside, tap } = seen;
  const key = linkKey(link.name);
  const more = { ...about(link), needs: [key] };
  const mtu = link.mtu.toString();
  const words = [
    ...(inside?.mac === link.mac ? [] : ['address', link.mac]),
    ...((inside?.mtu ?? NEW_MTU) === link.mtu ? [] : ['mtu', mtu]),
    ...(inside?.alias === mark ? [] : ['alias', mark]),
  ];
  if (words.length > 0) {
    const reason = `port ${link.portId} has ${link.mac} and its network MTU ${mtu}`;
    make.push(steps.inside('set-link', key, ['link', 'set', 'dev', link.name, ...words], reason, more));
  }
  const wanted = new Set(link.addresses);
  const there = new Set(inside?.addresses ?? []);
  const isHeld = (address: string): boolean => {
    const [ip] = address.split('/');
    return [...wanted].some((each) => each.split('/')[0] === ip);
  };
  // An address with another prefix length goes before it comes.
  for (const address of there) {
    if (wanted.has(address)) continue;
    const step = steps.inside(
      'delete-address',
      `address:${address}:${link.name}`,
      ['addr', 'del', address, 'dev', link.name],
      `port ${link.portId} does not have ${address}`,
      more,
    );
    (isHeld(address) ? make : prune).push(step);
  }
  for (const address of link.addresses) {
    if (there.has(address)) continue;
    make.push(
      steps.inside(
        'add-address',
        `address:${address}:${link.name}`,
        ['addr', 'add', ...addressWords(address), 'dev', link.name],
        `port ${link.portId} has ${address}`,
        more,
      ),
    );
  }
  if ((tap?.mtu ?? NEW_MTU) !== link.mtu) {
    make.push(
      steps.host('set-link', key, ['link', 'set', 'dev', link.tap, 'mtu', mtu], `its network has MTU ${mtu}`, more),
    );
  }
  if (tap?.up !== true) {
    open.push(steps.host('set-up', key, ['link', 'set', 'dev', link.tap, 'up'], `port ${link.portId} is ready`, more));
  }
  if (inside?.up !== true) {
    open.push(
      steps.inside('set-up', key, ['link', 'set', 'dev', link.name, 'up'], `port ${link.portId} is ready`, more),
    );
  }
};

/** An IPv4 address with its broadcast address; an IPv6 one usable at once, since IPAM gives each out once. */
const addressWords = (address: string): readonly string[] => {
  const [text = '', length = ''] = address.split('/');
  const ip = parseIp('address', text);
  if (ipVersion(ip) === 6) return [address, 'nodad'];
  const hostBits = BigInt(32 - Number(length));
  if (hostBits < 2n) return [address, 'scope', 'global'];
  const last = bigIntToIp(4, ((ipToBigInt(ip) >> hostBits) << hostBits) + (1n << hostBits) - 1n);
  return [address, 'brd', last, 'scope', 'global'];
};

/** The device of the namespace that a setting is of. */
const isOfDevice = (setting: string, { links }: WantedNamespace): string | undefined => {
  const parts = (setting.split('=')[0] ?? '').split('.');
  return links.find(({ name }) => parts.includes(name))?.name;
};

const sysctlSteps = (steps: StepMaker, namespace: string, settings: readonly string[]): readonly EdgeStep[] =>
  settings.length === 0
    ? []
    : [steps.exec('set-sysctl', 'sysctl', ['sysctl', '-e', '-w', ...settings], `how ${namespace} handles packets`)];

const DEFAULT_METRIC = { 4: 0, 6: 1_024 } as const;

const routeKey = ({ version, destination }: Pick<WantedRoute, 'version' | 'destination'>): string =>
  `route:${version.toString()}:${destination}`;

const planRoutes = (
  steps: StepMaker,
  wanted: readonly WantedRoute[],
  seen: readonly ObservedRoute[],
  { open, prune }: { open: EdgeStep[]; prune: EdgeStep[] },
): void => {
  const byKey = new Map(wanted.map((route) => [routeKey(route), route]));
  for (const route of wanted) {
    const isThere = seen.some(
      (each) => routeKey(each) === routeKey(route) && each.via === route.via && each.device === route.device,
    );
    if (isThere) continue;
    const words = [destinationWord(route), ...(route.via === undefined ? [] : ['via', route.via]), 'dev', route.device];
    open.push(
      steps.inside(
        'replace-route',
        routeKey(route),
        ['route', 'replace', ...words],
        route.via === undefined
          ? `${route.destination} is on the link`
          : `${route.destination} is reached through ${route.via}`,
        { needs: [linkKey(route.device)] },
      ),
    );
  }
  for (const route of seen) {
    const held = byKey.get(routeKey(route));
    // `replace` takes the place of one with the metric that it has by itself.
    if (held !== undefined && (route.metric ?? DEFAULT_METRIC[route.version]) === DEFAULT_METRIC[route.version])
      continue;
    const words = [
      destinationWord(route),
      ...(route.via === undefined ? [] : ['via', route.via]),
      ...(route.device === undefined ? [] : ['dev', route.device]),
      ...(route.metric === undefined ? [] : ['metric', route.metric.toString()]),
    ];
    prune.push(
      steps.inside('delete-route', routeKey(route), ['route', 'del', ...words], 'nobody asked for this route'),
    );
  }
};

/** `default` alone would be IPv4's. */
const destinationWord = ({ version, destination }: Pick<WantedRoute, 'version' | 'destination'>): string =>
  version === 6 && destination === 'default' ? '::/0' : destination;

const planNeighbours = (
  steps: StepMaker,
  wanted: readonly WantedNeighbour[],
  seen: ObservedNamespace['neighbours'],
  { open, prune }: { open: EdgeStep[]; prune: EdgeStep[] },
): void => {
  const keyOf = ({ ip, device }: Pick<WantedNeighbour, 'ip' | 'device'>): string => `neighbour:${ip}:${device}`;
  const there = new Map(seen.map((each) => [keyOf(each), each.mac]));
  for (const each of wanted) {
    if (there.get(keyOf(each)) === each.mac) continue;
    const words = ['neigh', 'replace', each.ip, 'lladdr', each.mac, 'nud', 'permanent', 'dev', each.device];
    const needs = [linkKey(each.device)];
    open.push(steps.inside('replace-neighbour', keyOf(each), words, `${each.ip} is at ${each.mac}`, { needs }));
  }
  const kept = new Set(wanted.map(keyOf));
  for (const each of seen) {
    if (kept.has(keyOf(each))) continue;
    const words = ['neigh', 'del', each.ip, 'dev', each.device];
    prune.push(steps.inside('delete-neighbour', keyOf(each), words, `nobody who is served has ${each.ip}`));
  }
};
