import { SPOOF_REASONS } from '../../model/port-security.ts';
import type { SpoofedFrames } from '../../model/port-security.ts';
import { GUARD_CHAIN, GUARD_COMMENT, GUARD_HOOK, GUARD_JUMP, guardChainOf, guardCounterOf } from './guard-rules.ts';
import type { PortGuard } from './guard-rules.ts';

/** The table as nft lists it, or why it is not known. */
export interface ObservedGuards {
  /** `foreign`: one of that name without the agent's comment. */
  readonly table: 'absent' | 'ours' | 'foreign' | 'unknown';
  /** The base chain: `right` when it is hooked in and leads to the ports' rules and nothing else, `wrong` when hooked elsewhere. */
  readonly base: 'right' | 'incomplete' | 'wrong';
  /** Device → chain that its frames go to. */
  readonly jumps: ReadonlyMap<string, string>;
  /** Device → the network for which its rules were written. */
  readonly owners: ReadonlyMap<string, string>;
  /** Chain → rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly counters: ReadonlySet<string>;
}

/** Nothing is there. */
export const NO_GUARDS: ObservedGuards = {
  table: 'absent',
  base: 'incomplete',
  jumps: new Map(),
  owners: new Map(),
  chains: new Map(),
  counters: new Set(),
};

const JUMP = /"([^"]+)"(?: comment "([^"]*)")? : jump (\S+?)(?=,|\s|$)/g;
const BLOCK = /^(chain|counter|map|set) (\S+) \{$/;

/** Reads `nft -s list table bridge weft`. What is there beyond the agent's own is told by rules that are not wanted. */
export const parseGuards = (text: string): ObservedGuards => {
  const jumps = new Map<string, string>();
  const owners = new Map<string, string>();
  const chains = new Map<string, string[]>();
  const counters = new Set<string>();
  let isOurs = false;
  let block: { readonly kind: string; readonly name: string } | undefined;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    const [, kind, name] = BLOCK.exec(line) ?? [];
    if (kind !== undefined && name !== undefined) {
      block = { kind, name };
      if (kind === 'chain') chains.set(name, []);
      if (kind === 'counter') counters.add(name);
    } else if (line === '}') block = undefined;
    else if (block === undefined) isOurs ||= line === `comment "${GUARD_COMMENT}"`;
    else if (block.kind === 'chain' && line !== '') chains.get(block.name)?.push(plainRule(line));
    else if (block.kind === 'map') readJumps(line, jumps, owners);
  }
  return {
    table: isOurs ? 'ours' : 'foreign',
    base: baseOf(chains.get(GUARD_CHAIN)),
    jumps,
    owners,
    chains,
    counters,
  };
};

const readJumps = (text: string, jumps: Map<string, string>, owners: Map<string, string>): void => {
  for (const [, device = '', owner = '', chain = ''] of text.matchAll(JUMP)) {
    jumps.set(device, chain);
    owners.set(device, owner);
  }
};

const baseOf = (lines: readonly string[] | undefined): ObservedGuards['base'] => {
  if (lines === undefined) return 'incomplete';
  if (lines[0] !== GUARD_HOOK) return 'wrong';
  return lines.length === 2 && lines[1] === GUARD_JUMP ? 'right' : 'incomplete';
};

/** nft leaves out a protocol that the next word implies. */
const plainRule = (rule: string): string => rule.replace(/^meta protocol (?:arp|ip|ip6) /, '');

/** Whether the rules of a device are exactly as they should be, for that network. */
export const isGuardedBy = (
  { table, jumps, owners, chains }: ObservedGuards,
  guard: PortGuard,
  networkId: string,
): boolean =>
  table === 'ours' &&
  owners.get(guard.device) === networkId &&
  jumps.get(guard.device) === guardChainOf(guard.device) &&
  chainsOf(chains, guard.device).length === guard.chains.length &&
  guard.chains.every(({ name, rules }) => {
    const there = chains.get(name);
    return there?.length === rules.length && rules.every((rule, at) => plainRule(rule) === there[at]);
  });

const COMMAND = /^(add|flush|delete) (table|map|chain|rule|element|counter) bridge weft ?(\S*) ?(.*)$/;

/** What is there when a transaction of the agent's own (guard-operations.ts) has been done. */
export const afterScript = (before: ObservedGuards, script: string): ObservedGuards => {
  const jumps = new Map(before.jumps);
  const owners = new Map(before.owners);
  const chains = new Map<string, readonly string[]>(before.chains);
  const counters = new Set(before.counters);
  let { table } = before;
  for (const command of script.split('; ').flatMap((part) => part.split('\n'))) {
    const [, verb = '', noun = '', name = '', rest = ''] = COMMAND.exec(command.trim()) ?? [];
    const what = `${verb} ${noun}`;
    if (what === 'delete table') for (const each of [jumps, owners, chains, counters]) each.clear();
    else if (what === 'add table') table = 'ours';
    else if (what === 'add chain') chains.set(name, chains.get(name) ?? (name === GUARD_CHAIN ? [GUARD_HOOK] : []));
    else if (what === 'flush chain') chains.set(name, name === GUARD_CHAIN ? [GUARD_HOOK] : []);
    else if (what === 'delete chain') chains.delete(name);
    else if (what === 'add rule') chains.set(name, [...(chains.get(name) ?? []), plainRule(rest)]);
    else if (what === 'add counter') counters.add(name);
    else if (what === 'delete counter') counters.delete(name);
    else if (what === 'add element') readJumps(rest, jumps, owners);
    else if (what === 'delete element') {
      for (const [, device = ''] of rest.matchAll(/"([^"]+)"/g))
        for (const each of [jumps, owners]) each.delete(device);
    }
  }
  return { table, base: baseOf(chains.get(GUARD_CHAIN)), jumps, owners, chains, counters };
};

/** The chains of a device that are there. */
export const chainsOf = (chains: ObservedGuards['chains'], device: string): readonly string[] => {
  const main = guardChainOf(device);
  if (!chains.has(main)) return [];
  const found = [main];
  for (let n = 1; chains.has(`${main}.${n.toString()}`); n += 1) found.push(`${main}.${n.toString()}`);
  return found;
};

const COUNTED = /counter (\S+) \{\s*packets (\d+) bytes \d+/g;

/** Reads `nft list counters table bridge weft`: what was dropped of these devices, by reason. */
export const parseSpoofed = (text: string, devices: readonly string[]): ReadonlyMap<string, SpoofedFrames> => {
  const packets = new Map<string, number>();
  for (const [, name = '', count] of text.matchAll(COUNTED)) packets.set(name, Number(count));
  return new Map(
    devices.map((device) => [
      device,
      new Map(
        SPOOF_REASONS.flatMap((reason) => {
          const count = packets.get(guardCounterOf(device, reason)) ?? 0;
          return count === 0 ? [] : [[reason, count] as const];
        }),
      ),
    ]),
  );
};
