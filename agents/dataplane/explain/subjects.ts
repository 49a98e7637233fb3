import type { Operation } from '../model/operation.ts';
import type { ThingKind, ThingRef } from './thing.ts';

/**
 * For a step on one of very many rows, what all rows of the same table have in common; undefined for other steps. Told
 * without its command, but for rows of a bridge, which are one or two per device.
 */
export const crowdOf = (operation: Operation): string | undefined => {
  const { kind, networkId = '' } = operation;
  if (isFlow(operation)) return `flows ${networkId}`;
  const table = ROW_KINDS.get(kind);
  if (table !== undefined) return `${table} ${networkId}`;
  return kind.endsWith('-bridge-fdb') ? `bridge ${operation.argv[5] ?? ''}` : undefined;
};

/** Kinds of steps on rows of a VXLAN device, and the table that the row is in. */
const ROW_KINDS: ReadonlyMap<string, string> = new Map([
  ['replace-fdb', 'fdb'],
  ['delete-fdb', 'fdb'],
  ['replace-neighbour', 'neighbours'],
  ['delete-neighbour', 'neighbours'],
  ['append-flood', 'flood'],
  ['delete-flood', 'flood'],
]);

const NOTHING: readonly ThingRef[] = [];

/**
 * The things that an operation makes, changes or takes away, told by its command alone; none for a command that only
 * speaks (`arping`, `kill`) or that is not known.
 */
export const subjectsOf = (operation: Operation): readonly ThingRef[] => {
  // What a step on a flow says is put together when it is asked for: not here, there may be tens of thousands.
  if (isFlow(operation)) return [thing('rule', flowsOf(operation.networkId), '')];
  const { argv } = operation;
  const script = argv.at(-2) === '-f' && argv.includes('nft') ? inputOf(operation) : undefined;
  if (script === undefined) return ofCommand(argv, '');
  const namespace = argv[1] === 'netns' && argv[2] === 'exec' ? (argv[3] ?? '') : '';
  return tablesOf(script).map((name) => thing('rule', name, namespace));
};

/** What a step says on its command's standard input, where that is known. */
const inputOf = (operation: Operation): string | undefined => {
  if (!('act' in operation) || typeof operation.act !== 'object' || operation.act === null) return undefined;
  return 'input' in operation.act && typeof operation.act.input === 'string' ? operation.act.input : undefined;
};

const TABLE = /(?:^|[;\s])table (?<family>\w+) (?<name>[\w-]+)/g;

const tablesOf = (script: string): readonly string[] => [
  ...new Set(
    [...script.matchAll(TABLE)].map(({ groups }) => `nft ${groups?.['family'] ?? ''} ${groups?.['name'] ?? ''}`),
  ),
];

const FLOW_CHANGE = /-flows?$/;

const isFlow = (operation: Operation): boolean =>
  'change' in operation &&
  typeof operation.change === 'object' &&
  operation.change !== null &&
  'kind' in operation.change &&
  typeof operation.change.kind === 'string' &&
  FLOW_CHANGE.test(operation.change.kind);

/** How the flows of a network are called as one rule. */
export const flowsOf = (networkId: string | undefined): string =>
  networkId === undefined ? 'flows of all networks' : `flows of network ${networkId}`;

const thing = (kind: ThingKind, name: string, namespace: string): ThingRef => ({ kind, name, namespace });

const ofCommand = (argv: readonly string[], namespace: string): readonly ThingRef[] => {
  const [program = '', ...words] = argv;
  switch (baseName(program)) {
    case 'ip':
      return ofIp(words, namespace);
    case 'bridge':
      return ofBridge(words, namespace);
    case 'tc':
      return devices([after(words, 'dev')], namespace);
    case 'sysctl':
      return words.flatMap((word) => settingOf(word, namespace));
    case 'ovs-vsctl':
      return ofVsctl(words);
    case 'ovs-ofctl':
      return [thing('rule', `flows of ${words.find((word) => word.startsWith('br')) ?? 'a bridge'}`, '')];
    case 'nft':
      return ofNft(words, namespace);
    case 'install':
    case 'tee':
    case 'touch':
    case 'rm':
    case 'mkdir':
    case 'rmdir':
      return words
        .filter((word) => word.startsWith('/') && word !== '/dev/stdin')
        .map((path) => thing('file', path, ''));
    case 'mv':
    case 'cp':
    case 'ln':
      return words
        .filter((word) => word.startsWith('/'))
        .slice(-1)
        .map((path) => thing('file', path, ''));
    case 'dnsmasq':
    case 'radvd':
    case 'dhclient':
    case 'dhcpcd':
    case 'haproxy':
    case 'keepalived':
      return [
        thing('process', processName(baseName(program), namespace), ''),
        ...(namespace === '' ? [] : [thing('namespace', namespace, '')]),
      ];
    default:
      return NOTHING;
  }
};

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** How a server is called: a process id says nothing once it has been started again. */
export const processName = (program: string, namespace: string): string =>
  namespace === '' ? program : `${program} ${namespace}`;

const after = (words: readonly string[], word: string): string | undefined => {
  const at = words.indexOf(word);
  return at < 0 ? undefined : words[at + 1];
};

const devices = (names: readonly (string | undefined)[], namespace: string): readonly ThingRef[] =>
  [...new Set(names)].flatMap((name) => (name === undefined || name === '' ? [] : [thing('device', name, namespace)]));

const ofIp = (given: readonly string[], outer: string): readonly ThingRef[] => {
  let namespace = outer;
  let words = given;
  for (let [first = ''] = words; first.startsWith('-'); [first = ''] = words) {
    const takesValue = first === '-n' || first === '-netns' || first === '-batch' || first === '-b';
    if (first === '-n' || first === '-netns') namespace = words[1] ?? namespace;
    words = words.slice(takesValue ? 2 : 1);
  }
  const [object = '', action = '', ...rest] = words;
  switch (object) {
    case 'netns':
      return ofNetns(action, rest, namespace);
    case 'l':
    case 'link':
      return ofLink(action, rest, namespace);
    case 'a':
    case 'addr':
    case 'address':
      return devices([after(rest, 'dev')], namespace);
    case 'n':
    case 'neigh':
    case 'neighbour':
      return row('neighbours', after(rest, 'dev'), namespace);
    case 'r':
    case 'route':
      return [thing('rule', `route ${rest[0] ?? ''}`, namespace)];
    case 'rule':
      return [thing('rule', `policy ${rest.join(' ')}`, namespace)];
    default:
      return NOTHING;
  }
};

const ofNetns = (action: string, rest: readonly string[], namespace: string): readonly ThingRef[] => {
  const [name = '', ...command] = rest;
  if (action === 'exec') return ofCommand(command[0] === '--' ? command.slice(1) : command, name);
  if (action === 'add' || action === 'del' || action === 'delete' || action === 'set')
    return [thing('namespace', name, namespace)];
  return NOTHING;
};

const ofLink = (action: string, rest: readonly string[], namespace: string): readonly ThingRef[] => {
  const at = rest.indexOf('peer');
  const [own, peer] = at < 0 ? [rest, []] : [rest.slice(0, at), rest.slice(at + 1)];
  const [first = ''] = own;
  const given = first === 'dev' || first === 'name' ? own[1] : first;
  const isNew = action === 'add';
  const device = isNew ? (after(own, 'name') ?? given) : given;
  const renamed = isNew ? undefined : after(own, 'name');
  const moved = after(own, 'netns');
  return [
    ...devices([device, renamed], namespace),
    // What is known of a device goes with it.
    ...(moved === undefined ? [] : devices([renamed ?? device], moved)),
    ...devices([after(peer, 'name')], after(peer, 'netns') ?? namespace),
  ];
};

const row = (what: string, device: string | undefined, namespace: string): readonly ThingRef[] =>
  device === undefined ? NOTHING : [thing('rule', `${what} ${device}`, namespace)];

const FLOOD = '00:00:00:00:00:00';

const ofBridge = (words: readonly string[], outer: string): readonly ThingRef[] => {
  const [flag, name = ''] = words;
  const isInside = flag === '-n' || flag === '-netns';
  const namespace = isInside ? name : outer;
  const [object, , ...rest] = isInside ? words.slice(2) : words;
  const device = after(rest, 'dev');
  if (object === 'fdb') return row(rest.includes(FLOOD) ? 'flood' : 'fdb', device, namespace);
  return devices([device], namespace);
};

const SETTING = /^net[./]ipv[46][./](?:conf|neigh)[./](?<device>[^=]+)[./][^./=]+=/;

const settingOf = (word: string, namespace: string): readonly ThingRef[] => {
  if (word.startsWith('-') || !word.includes('=')) return [];
  const device = SETTING.exec(word)?.groups?.['device'];
  return device === undefined || device === 'all' || device === 'default'
    ? [thing('rule', `setting ${word.slice(0, word.indexOf('='))}`, namespace)]
    : [thing('device', device, namespace)];
};

const ofVsctl = (words: readonly string[]): readonly ThingRef[] => {
  const names = new Set<string>();
  const clause: string[] = [];
  const end = (): void => {
    const [command = '', ...rest] = clause.filter((word) => !word.startsWith('--'));
    if (command === 'add-br' || command === 'del-br' || command === 'set-fail-mode') names.add(rest[0] ?? '');
    else if (command.endsWith('-port')) names.add(rest[1] ?? rest[0] ?? '');
    else if (['set', 'remove', 'clear', 'add'].includes(command) && rest[1] !== undefined) names.add(rest[1]);
    clause.length = 0;
  };
  for (const word of words) {
    if (word === '--') end();
    else clause.push(word);
  }
  end();
  return devices(
    [...names].filter((name) => !name.startsWith('@')),
    '',
  );
};

const FAMILIES: ReadonlySet<string> = new Set(['ip', 'ip6', 'inet', 'arp', 'bridge', 'netdev']);
const IN_CHAIN: ReadonlySet<string> = new Set(['chain', 'rule']);
const CHANGES = /^(?:add|create|insert|replace|delete|destroy|flush|rename|reset)$/;

/** Tables, and the chains in them; sets, maps and counters are their table's. `nft -f` says nothing of what is in the file. */
const ofNft = (given: readonly string[], namespace: string): readonly ThingRef[] => {
  const script = given.filter((word) => !word.startsWith('-')).join(' ');
  const names = new Set<string>();
  for (const statement of script.split(';')) {
    const [verb = '', object = '', ...rest] = statement.trim().split(/\s+/);
    if (!CHANGES.test(verb)) continue;
    const [first = ''] = rest;
    const [family, table, member] = FAMILIES.has(first) ? rest : ['ip', first, rest[1]];
    if (table === undefined || table === '') continue;
    names.add(
      IN_CHAIN.has(object) && member !== undefined
        ? `nft ${family ?? ''} ${table} ${member}`
        : `nft ${family ?? ''} ${table}`,
    );
  }
  return [...names].map((name) => thing('rule', name, namespace));
};
