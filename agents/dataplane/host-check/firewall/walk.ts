import type { Ternary } from './packet.ts';

/** What a rule does with a packet that it matches. */
export type RuleVerdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** A rule as one packet meets it. */
export interface Rule {
  /** As its tool prints it. */
  readonly text: string;
  readonly matches: Ternary;
  readonly verdict: RuleVerdict;
}

/** Where the kernel begins with a chain. */
export interface Hook {
  readonly name: string;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

export interface Chain {
  readonly name: string;
  readonly rules: readonly Rule[];
  /** Absent for one that only others jump to. */
  readonly hook?: Hook;
}

/** The chains of a table, as one packet meets them. */
export interface RuleTable {
  /** The program that a person changes it with: `nft`, `iptables-nft`, `ip6tables-legacy`, … */
  readonly tool: string;
  /** `inet filter` of nftables, `filter` of iptables. */
  readonly name: string;
  readonly chains: ReadonlyMap<string, Chain>;
}

/** Where a packet ends. */
export interface Blocked {
  readonly table: RuleTable;
  /** The base chain whose verdict it is. */
  readonly base: Chain;
  /** The rule, or the policy of the base chain, in its tool's words. */
  readonly by: string;
  /** A rule before it that may let the packet pass after all; whether it does cannot be told from here. */
  readonly unless?: string;
}

/** As many chains as the kernel follows (NFT_JUMP_STACK_SIZE). */
const DEPTH = 16;

/**
 * The first verdict against a packet on the hooks that it passes, in the order of hooks and priorities; undefined where all
 * let it pass. A rule of which it cannot be told whether it matches is not held against the packet.
 */
export const findBlock = (tables: readonly RuleTable[], hooks: readonly string[]): Blocked | undefined => {
  const bases = tables.flatMap((table) =>
    [...table.chains.values()].flatMap((base) =>
      base.hook !== undefined && hooks.includes(base.hook.name) ? [{ table, base, hook: base.hook }] : [],
    ),
  );
  bases.sort((a, b) => hooks.indexOf(a.hook.name) - hooks.indexOf(b.hook.name) || a.hook.priority - b.hook.priority);
  for (const { table, base, hook } of bases) {
    const doubts: string[] = [];
    const end = walk(table, base, doubts, DEPTH);
    const by =
      end?.kind === 'drop'
        ? end.rule
        : end === undefined && hook.policy === 'drop'
          ? `policy drop of chain ${base.name}`
          : undefined;
    if (by === undefined) continue;
    const [unless] = doubts;
    return { table, base, by, ...(unless !== undefined && { unless }) };
  }
  return undefined;
};

interface End {
  readonly kind: 'accept' | 'drop';
  readonly rule: string;
}

/** Undefined: it came to the end of the chain. */
const walk = (table: RuleTable, chain: Chain, doubts: string[], depth: number): End | undefined => {
  for (const rule of chain.rules) {
    if (rule.matches === false) continue;
    const { verdict } = rule;
    const certain = rule.matches === true;
    if (verdict.kind === 'continue') continue;
    if (verdict.kind === 'return') {
      if (certain) return undefined;
      continue;
    }
    const end =
      verdict.kind === 'jump' || verdict.kind === 'goto'
        ? walkNext(table, verdict.chain, doubts, depth)
        : { kind: verdict.kind, rule: rule.text };
    if (certain && (end !== undefined || verdict.kind === 'goto')) return end;
    if (!certain && end?.kind === 'accept') doubts.push(end.rule);
  }
  return undefined;
};

const walkNext = (table: RuleTable, name: string, doubts: string[], depth: number): End | undefined => {
  const chain = table.chains.get(name);
  return chain === undefined || depth === 0 ? undefined : walk(table, chain, doubts, depth - 1);
};
