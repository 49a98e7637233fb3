import { jsonObjects, type CommandRunner } from '../../sys/command.ts';
import { readIptables } from './iptables.ts';
import { isObject } from './nft-match.ts';
import { readNft, type NftRuleset } from './nft.ts';
import type { Packet } from './packet.ts';
import { findBlock, type Blocked, type RuleTable } from './walk.ts';

/** All rules of a host, as its tools print them. */
export interface Ruleset {
  readonly nft?: NftRuleset;
  /** What each of iptables' programs printed, by the program that changes it, e.g. `iptables-legacy`. */
  readonly iptables: ReadonlyMap<string, string>;
}

const SAVERS = ['iptables-nft', 'iptables-legacy', 'ip6tables-nft', 'ip6tables-legacy'] as const;

/** Reads all rules; undefined where this host has no program that could. Of no rules it reads an empty ruleset. */
export const readRuleset = async (commands: CommandRunner, signal: AbortSignal): Promise<Ruleset | undefined> => {
  const output = async (...argv: readonly string[]): Promise<string | undefined> => {
    try {
      const { status, stdout } = await commands.run(argv, signal);
      return status === 0 ? stdout : undefined;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  };
  const [json, text, ...saved] = await Promise.all([
    output('nft', '-j', 'list', 'ruleset'),
    output('nft', '-a', 'list', 'ruleset'),
    ...SAVERS.map(async (program) => output(`${program}-save`)),
  ]);
  const iptables = new Map<string, string>();
  for (const [at, program] of SAVERS.entries()) {
    const said = saved[at];
    if (said !== undefined) iptables.set(program, said);
  }
  const nft = json === undefined || text === undefined ? undefined : { json: nftObjects(json), text };
  if (nft === undefined && iptables.size === 0) return undefined;
  return { iptables, ...(nft !== undefined && { nft }) };
};

/** What stands in the array `nftables`. */
const nftObjects = (text: string): NftRuleset['json'] => {
  const [root] = jsonObjects('nft -j list ruleset', text);
  const listed: unknown = root?.['nftables'];
  return Array.isArray(listed) ? listed.filter(isObject) : [];
};

const HOOKS = {
  in: ['prerouting', 'input'],
  out: ['output', 'postrouting'],
  through: ['forward'],
} as const satisfies Readonly<Record<Packet['way'], readonly string[]>>;

/** What stops the packet on its way, if anything does. */
export const blockOf = (ruleset: Ruleset, packet: Packet): Blocked | undefined =>
  findBlock(tablesFor(ruleset, packet), HOOKS[packet.way]);

/** nft shows what iptables-nft made, and can read only some of it: each such table is read by one of both. */
const tablesFor = ({ nft, iptables }: Ruleset, packet: Packet): readonly RuleTable[] => {
  const [program, family] = packet.version === 4 ? ['iptables', 'ip'] : ['ip6tables', 'ip6'];
  const saved = (kind: string): readonly RuleTable[] =>
    readIptables(`${program}-${kind}`, iptables.get(`${program}-${kind}`) ?? '', packet);
  const native = nft === undefined ? [] : readNft(nft, packet);
  const known = new Map(native.map((table) => [table.name, table]));
  const compatible = saved('nft').filter(({ name }) => known.get(`${family} ${name}`)?.foreign !== false);
  const replaced = new Set(compatible.map(({ name }) => `${family} ${name}`));
  return [...native.filter(({ name }) => !replaced.has(name)), ...compatible, ...saved('legacy')];
};
