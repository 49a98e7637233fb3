import type { EdgeStep, ObservedEdge } from '../core/model.ts';
import { planNamespace, planNamespaceRemoval } from '../core/plan.ts';
import { stepMaker } from '../core/steps.ts';
import type { StepMaker } from '../core/steps.ts';
import { forgetting, staleAddresses } from './conntrack.ts';
import type { TranslatedFlow } from './conntrack.ts';
import type { WantedRouter } from './desired.ts';
import { endRadvd, planRadvd } from './radvd.ts';
import type { ObservedRadvd } from './radvd.ts';
import { mappingsOf, replacingTable } from './nat.ts';

/** A router as it was seen. */
export interface ObservedRouter {
  readonly edge: ObservedEdge;
  /** Lines of its table; undefined: there is none. */
  readonly table: readonly string[] | undefined;
  /** Connections that are translated. */
  readonly flows: readonly TranslatedFlow[];
  readonly radvd: ObservedRadvd;
}

/** Where a router's files are, and what this host's `nft` makes of a table that is as wanted. */
export interface RouterPlace {
  readonly folder: string;
  /** How lines that were written are listed, where that differs: other versions of nft have other words. */
  readonly asListed?: readonly string[] | undefined;
}

/**
 * desired − observed of a router, in an order in which no packet passes untranslated: the table is there before links go up,
 * and connections that led elsewhere are forgotten right after it leads where it should.
 */
export const planRouter = (
  { namespace, table, mappings, outside, radvd }: WantedRouter,
  observed: ObservedRouter,
  { folder, asListed = table }: RouterPlace,
): readonly EdgeStep[] => {
  const { make, open, prune } = planNamespace(namespace, observed.edge);
  const steps = stepMaker('router', namespace.id);
  return [
    ...make,
    ...planTable(steps, table, asListed, observed.table),
    ...planFlows(steps, { mappings, outside }, observed),
    ...open,
    ...planRadvd(namespace.id, radvd, observed.radvd, folder),
    ...prune,
  ];
};

/** Takes a router away: first its links, so that it answers for no address any more. */
export const planRouterRemoval = (
  routerId: string,
  observed: Pick<ObservedRouter, 'edge' | 'radvd'>,
  folder: string,
  reason: string,
): readonly EdgeStep[] => {
  const steps = planNamespaceRemoval({ kind: 'router', id: routerId }, observed.edge, reason);
  const links = steps.filter(({ kind }) => kind === 'delete-veth');
  const rest = steps.filter(({ kind }) => kind !== 'delete-veth');
  return [...links, ...endRadvd(routerId, observed.radvd, folder, reason), ...rest];
};

const TABLE_KEY = 'nft:weft';

const planTable = (
  steps: StepMaker,
  wanted: readonly string[],
  asListed: readonly string[],
  seen: readonly string[] | undefined,
): readonly EdgeStep[] => {
  if (seen?.length === asListed.length && seen.every((line, at) => line === asListed[at])) return [];
  return [
    steps.exec('write-nft-table', TABLE_KEY, ['nft', '-f', '-'], whyTable(asListed, seen), {
      act: { kind: 'input', input: replacingTable(wanted) },
    }),
  ];
};

const whyTable = (wanted: readonly string[], seen: readonly string[] | undefined): string => {
  if (seen === undefined) return 'table inet weft is not there';
  const missing = wanted.find((line) => !seen.includes(line));
  if (missing !== undefined) return `table inet weft lacks: ${missing}`;
  const foreign = seen.find((line) => !wanted.includes(line));
  return foreign === undefined
    ? 'table inet weft is in another order'
    : `table inet weft has what it should not: ${foreign}`;
};

/** Mappings that the table has now and will not have are stale too: what was translated by them may come before the next look. */
const planFlows = (
  steps: StepMaker,
  { mappings, outside }: Pick<WantedRouter, 'mappings' | 'outside'>,
  observed: ObservedRouter,
): readonly EdgeStep[] => {
  const before = [...mappingsOf(observed.table ?? [])];
  const moved = before.flatMap(([address, inside]) => (mappings.get(address) === inside ? [] : [address]));
  const stale = new Set([...moved, ...staleAddresses(observed.flows, mappings, outside)]);
  return [...stale].sort().flatMap((address) => {
    const leads = mappings.get(address);
    const reason = leads === undefined ? `${address} leads nowhere now` : `${address} leads to ${leads} now`;
    return forgetting(address).map((argv, at) =>
      steps.exec('delete-flows', `flows:${address}:${at.toString()}`, argv, reason),
    );
  });
};
