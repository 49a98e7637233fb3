import { contains, parseCidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS, type IpAddress, type IpVersion } from '#platform/net/ip-address.ts';
import { and, not, type Packet, type Ternary } from './packet.ts';
import type { Hook, Rule, RuleTable, RuleVerdict } from './walk.ts';

/** Of ip_tables' built-in chains; NF_IP_PRI_RAW, NF_IP_PRI_MANGLE, NF_IP_PRI_FILTER of linux/netfilter_ipv4.h. */
const PRIORITIES: Readonly<Record<string, number>> = { raw: -300, mangle: -150, filter: 0 };
const HOOKS: Readonly<Record<string, string>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};

/** Reads what `iptables-save` or one of its kin printed, as a packet meets it. Tables that do not filter are left out. */
export const readIptables = (tool: string, saved: string, packet: Packet): readonly RuleTable[] => {
  const tables: RuleTable[] = [];
  let chains: Map<string, { name: string; rules: Rule[]; hook?: Hook }> | undefined;
  let priority: number | undefined;
  for (const line of saved.split('\n')) {
    const [, table] = /^\*(\w+)$/.exec(line) ?? [];
    if (table !== undefined) {
      priority = PRIORITIES[table];
      chains = priority === undefined ? undefined : new Map();
      if (chains !== undefined) tables.push({ tool, name: table, chains });
      continue;
    }
    if (chains === undefined || priority === undefined) continue;
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined) {
      const hook = HOOKS[name];
      chains.set(name, {
        name,
        rules: [],
        ...(hook !== undefined && { hook: { name: hook, priority, policy: policy === 'DROP' ? 'drop' : 'accept' } }),
      });
    } else if (line.startsWith('-A ')) {
      const words = wordsOf(line);
      chains.get(words[1] ?? '')?.rules.push({ text: line, ...ruleOf(words.slice(2), packet) });
    }
  }
  return tables;
};

/** iptables-save quotes words with spaces in them, with `"` and backslashes. */
const wordsOf = (line: string): readonly string[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '',
  );

const VERDICTS: Readonly<Record<string, RuleVerdict['kind']>> = {
  ACCEPT: 'accept',
  DROP: 'drop',
  REJECT: 'drop',
  RETURN: 'return',
  QUEUE: 'continue',
  NFQUEUE: 'continue',
};

/** Targets that do something with a packet and let it go on. */
const PASSING = /^(?:LOG|NFLOG|MARK|CONNMARK|CT|NOTRACK|TOS|DSCP|TTL|HL|SET|AUDIT|CLASSIFY|CHECKSUM|TCPMSS|TRACE|TEE)$/;

const ruleOf = (words: readonly string[], packet: Packet): Pick<Rule, 'matches' | 'verdict'> => {
  let matches: Ternary = true;
  let verdict: RuleVerdict = { kind: 'continue' };
  let negated = false;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '!') {
      negated = true;
      continue;
    }
    if (word === '-j' || word === '-g') {
      const target = words[at + 1] ?? '';
      const kind = VERDICTS[target];
      if (kind !== undefined) verdict = { kind } as RuleVerdict;
      else if (!PASSING.test(target)) verdict = { kind: word === '-j' ? 'jump' : 'goto', chain: target };
      // What follows are the target's own options.
      break;
    }
    const values: string[] = [];
    while (at + 1 < words.length && !/^(?:!|-.*)$/.test(words[at + 1] ?? '')) {
      at += 1;
      values.push(words[at] ?? '');
    }
    const holds = optionHolds(word, values[0] ?? '', packet);
    matches = and(matches, negated ? not(holds) : holds);
    negated = false;
  }
  return { matches, verdict };
};

/** See iptables(8) and iptables-extensions(8). */
const optionHolds = (option: string, value: string, packet: Packet): Ternary => {
  switch (option) {
    case '-m':
    case '--match':
    case '--comment':
      return true;
    case '-p':
      return value === 'all' ? true : packet.udpPort === undefined ? undefined : value === 'udp' || value === '17';
    case '-s':
      return addressIn(packet.source, value, packet.version);
    case '-d':
      return addressIn(packet.destination, value, packet.version);
    case '-i':
      return deviceIs(packet.inDevice, value, '+');
    case '-o':
      return deviceIs(packet.outDevice, value, '+');
    case '--dport':
    case '--dports':
    case '--destination-port':
      return packet.udpPort === undefined ? undefined : inPorts(packet.udpPort, value);
    case '--ctstate':
    case '--state':
      return value.split(',').includes('NEW');
    case '--physdev-is-bridged':
      return packet.bridged === true;
    default:
      return undefined;
  }
};

/** A list of ports and ranges, `1:5` or `1-5`. */
const inPorts = (port: number, list: string): boolean =>
  list.split(',').some((each) => {
    const [low = '', high = low] = each.split(/[:-]/);
    return port >= Number(low) && port <= Number(high);
  });

const addressIn = (address: IpAddress | undefined, range: string, version: IpVersion): Ternary => {
  if (address === undefined) return undefined;
  const [network = '', mask = ADDRESS_BITS[version].toString()] = range.split('/');
  try {
    return contains(parseCidr('range', `${network}/${mask}`), address);
  } catch {
    // A mask with holes.
    return undefined;
  }
};

/** A name, or the begin of names where it ends in `wildcard`. '' is no device, and has no name. */
export const deviceIs = (device: string | undefined, pattern: string, wildcard: '+' | '*'): Ternary => {
  if (device === undefined) return undefined;
  if (device === '') return false;
  return pattern.endsWith(wildcard) ? device.startsWith(pattern.slice(0, -1)) : device === pattern;
};
