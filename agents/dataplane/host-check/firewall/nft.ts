import { and, type Packet, type Ternary } from './packet.ts';
import { isObject, keyIs, matchHolds, type Json, type NamedSets } from './nft-match.ts';
import type { Hook, Rule, RuleTable, RuleVerdict } from './walk.ts';

/** What `nft` prints of a ruleset: `nft -j list ruleset`, and `nft -a list ruleset` for the rules' own words. */
export interface NftRuleset {
  readonly json: readonly Json[];
  readonly text: string;
}

interface DraftTable {
  readonly family: string;
  readonly name: string;
  readonly chains: Map<string, { name: string; rules: Rule[]; hook?: Hook }>;
  readonly sets: Map<string, readonly unknown[]>;
  /** It was made by iptables, with parts that nft cannot read. */
  foreign: boolean;
}

/** A table of nftables; `foreign` has parts that only iptables' own programs can read. */
export type NftTable = RuleTable & { readonly foreign: boolean };

/** The tables that a packet meets. */
export const readNft = ({ json, text }: NftRuleset, packet: Packet): readonly NftTable[] => {
  const families = packet.version === 4 ? ['ip', 'inet'] : ['ip6', 'inet'];
  const tables = new Map<string, DraftTable>();
  const words = ruleTexts(text);
  const tableOf = ({ family, table }: Json): DraftTable | undefined => tables.get(`${String(family)} ${String(table)}`);
  for (const { table } of json) {
    if (!isObject(table) || !families.includes(String(table['family']))) continue;
    const draft = { family: String(table['family']), name: String(table['name']), chains: new Map(), sets: new Map() };
    tables.set(`${draft.family} ${draft.name}`, { ...draft, foreign: false });
  }
  for (const { chain, set, map } of json) {
    if (isObject(chain)) {
      const hook = hookOf(chain);
      const name = String(chain['name']);
      tableOf(chain)?.chains.set(name, { name, rules: [], ...(hook !== undefined && { hook }) });
    }
    for (const each of [set, map]) {
      if (!isObject(each)) continue;
      const elements: unknown = each['elem'];
      tableOf(each)?.sets.set(`@${String(each['name'])}`, Array.isArray(elements) ? elements : []);
    }
  }
  for (const { rule } of json) {
    if (!isObject(rule)) continue;
    const table = tableOf(rule);
    const statements: unknown = rule['expr'];
    if (table === undefined || !Array.isArray(statements)) continue;
    const parts = statements.filter(isObject);
    table.foreign ||= parts.some((part) => 'xt' in part);
    const handle = `${table.family} ${table.name} ${String(rule['handle'])}`;
    const shown = words.get(handle) ?? JSON.stringify(statements);
    table.chains.get(String(rule['chain']))?.rules.push(...rulesOf(parts, shown, packet, table.sets));
  }
  return [...tables.values()].map(({ family, name, chains, foreign }) => ({
    tool: 'nft',
    name: `${family} ${name}`,
    chains,
    foreign,
  }));
};

/** Only base chains that filter: those of `nat` see a packet to change it. */
const hookOf = ({ hook, prio, policy, type }: Json): Hook | undefined =>
  typeof hook === 'string' && type !== 'nat'
    ? { name: hook, priority: typeof prio === 'number' ? prio : 0, policy: policy === 'drop' ? 'drop' : 'accept' }
    : undefined;

/** By family, table and handle. */
const ruleTexts = (text: string): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>();
  let table = '';
  for (const line of text.split('\n')) {
    const begins = /^table (\S+ \S+) \{/.exec(line)?.[1];
    if (begins !== undefined) table = begins;
    const [, rule, handle] = /^\t\t(.*) # handle (\d+)$/.exec(line) ?? [];
    if (rule !== undefined && handle !== undefined) texts.set(`${table} ${handle}`, rule);
  }
  return texts;
};

const VERDICTS: Readonly<Record<string, RuleVerdict>> = {
  accept: { kind: 'accept' },
  drop: { kind: 'drop' },
  reject: { kind: 'drop' },
  return: { kind: 'return' },
};

/** Statements that neither look at a packet nor end its way. */
const PASSING = new Set(['counter', 'log', 'mangle', 'notrack', 'comment', 'continue', 'set', 'map', 'ct helper']);

/** The rules that a rule is: more than one where it has a verdict map. */
const rulesOf = (statements: readonly Json[], text: string, packet: Packet, sets: NamedSets): readonly Rule[] => {
  let matches: Ternary = true;
  for (const statement of statements) {
    for (const [kind, body] of Object.entries(statement)) {
      const verdict = VERDICTS[kind] ?? jumpOf(kind, body);
      if (verdict !== undefined) return [{ text, matches, verdict }];
      if (kind === 'match' && isObject(body)) matches = and(matches, matchHolds(body, packet, sets));
      else if (kind === 'vmap' && isObject(body)) return verdictMap(body, text, matches, packet, sets);
      else if (!PASSING.has(kind)) matches = and(matches, undefined);
    }
  }
  return [];
};

const jumpOf = (kind: string, body: unknown): RuleVerdict | undefined =>
  (kind === 'jump' || kind === 'goto') && isObject(body) && typeof body['target'] === 'string'
    ? { kind, chain: body['target'] }
    : undefined;

const verdictMap = (
  { key, data }: Json,
  text: string,
  before: Ternary,
  packet: Packet,
  sets: NamedSets,
): readonly Rule[] => {
  const listed: unknown = isObject(data) ? data['set'] : typeof data === 'string' ? sets.get(data) : undefined;
  if (!Array.isArray(listed)) return [];
  return listed.flatMap((pair: unknown) => {
    if (!Array.isArray(pair) || !isObject(pair[1])) return [];
    const [[kind, body] = ['', undefined]] = Object.entries(pair[1]);
    const verdict = VERDICTS[kind] ?? jumpOf(kind, body);
    return verdict === undefined ? [] : [{ text, matches: and(before, keyIs(key, pair[0], packet, sets)), verdict }];
  });
};
