import { DomainError } from '#platform/errors/domain-error.ts';
import type { OwnedNetwork } from '../../model/host.ts';
import type { LocalPort, NetworkChange, NetworkFacts, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { devicesOfChange } from '../../plan/changes.ts';
import { chainsOf, isGuardedBy } from './guard-dump.ts';
import type { ObservedGuards } from './guard-dump.ts';
import { addGuardTable, guardPort, unguardPort } from './guard-operations.ts';
import { GUARD_TABLE, portGuard } from './guard-rules.ts';
import type { PortGuard } from './guard-rules.ts';
import { isMarkedPort } from './mark.ts';
import type { ObservedBridgeNetwork } from './observed.ts';

/** A network as the kernel has it, and what ports of the host may send, of all networks. */
export interface GuardedNetwork extends ObservedBridgeNetwork {
  readonly guards: ObservedGuards;
}

/**
 * The steps to a network and its ports' rules: these before any of the ports is in the bridge, and what is not needed any
 * more when all else is done. Throws `precondition` when rules are needed and the table is somebody else's.
 */
export const planGuarded = (
  intent: NetworkIntent,
  { guards, links }: GuardedNetwork,
  steps: readonly Operation[],
): readonly Operation[] => {
  const devices = new Set([...intent.ports.values()].map(({ device }) => device));
  const left = [...links.values()].filter(({ name, alias }) => isMarkedPort(alias) && !devices.has(name));
  const { rules, deletions } = planGuards(
    intent,
    intent.ports.values(),
    [...new Set([...left.map(({ name }) => name), ...ownedBy(guards, intent.networkId)])]
      .filter((device) => !devices.has(device))
      .map((device) => ({ device })),
    guards,
  );
  return rules.length + deletions.length === 0 ? steps : [...rules, ...steps, ...deletions];
};

/** As `planGuarded`, for a change of what the kernel holds: only of ports whose device or security changed. */
export const planGuardedChange = (
  intent: NetworkIntent,
  change: NetworkChange,
  known: ObservedGuards,
  steps: readonly Operation[],
): readonly Operation[] => {
  const ports: LocalPort[] = [];
  const left: { readonly device: string; readonly portId: string }[] = [];
  const { leaving } = devicesOfChange(change);
  for (const [portId, { before, after }] of change.ports) {
    if (after.local !== undefined && after.local !== before.local) ports.push(after.local);
    if (before.local !== undefined && leaving.has(before.local.device)) left.push({ ...before.local, portId });
  }
  if (ports.length + left.length === 0) return steps;
  const { rules, deletions } = planGuards(intent, ports, left, known);
  return [...rules, ...steps, ...deletions];
};

/** The rules that a port needs before it is plugged; none while it is not known what is there. Throws as `planGuarded` does. */
export const planGuardAhead = (network: NetworkFacts, port: LocalPort, known: ObservedGuards): readonly Operation[] =>
  known.table === 'unknown' ? [] : planGuards(network, [port], [], known).rules;

/** As `planGuarded`, for a network that is taken off the host. */
export const planGuardedRemoval = (
  owned: OwnedNetwork,
  known: ObservedGuards,
  steps: readonly Operation[],
): readonly Operation[] => {
  const devices = new Set([...(owned.ports ?? []), ...ownedBy(known, owned.networkId)]);
  const left = [...devices].map((device) => ({ device }));
  return [...steps, ...planGuards(owned, [], left, known).deletions];
};

/** Devices whose rules were written for a network. */
const ownedBy = ({ owners }: ObservedGuards, networkId: string): readonly string[] =>
  [...owners].flatMap(([device, owner]) => (owner === networkId ? [device] : []));

const planGuards = (
  { networkId }: Pick<NetworkIntent, 'networkId'>,
  ports: Iterable<LocalPort>,
  left: Iterable<{ readonly device: string; readonly portId?: string }>,
  observed: ObservedGuards,
): { readonly rules: readonly Operation[]; readonly deletions: readonly Operation[] } => {
  const rules: Operation[] = [];
  const deletions: Operation[] = [];
  const unguard = (device: string, reason: string, portId?: string): Operation => {
    const [, ...more] = chainsOf(observed.chains, device);
    return unguardPort(device, { reason, networkId, ...(portId !== undefined && { portId }) }, more);
  };
  let isNeeded = false;
  for (const port of ports) {
    const { device, portId } = port;
    const guard = portGuard(port);
    isNeeded ||= guard !== undefined;
    if (guard !== undefined && !isGuardedBy(observed, guard, networkId)) {
      const moves = (observed.owners.get(device) ?? networkId) !== networkId;
      rules.push(guardPort(guard, { networkId, portId }, { stale: staleChains(observed, guard), moves }));
    } else if (guard === undefined && isKnown(observed, device)) {
      deletions.push(unguard(device, `port ${portId} may send what it likes`, portId));
    }
  }
  for (const { device, portId } of left) {
    if (isKnown(observed, device)) deletions.push(unguard(device, `no port has ${device} any more`, portId));
  }
  if (isNeeded && observed.table === 'foreign') throw foreignTable();
  if (isNeeded && observed.base !== 'right') rules.unshift(addGuardTable(networkId, observed.base === 'wrong'));
  return { rules, deletions };
};

/** Whether anything of a device may be there. */
const isKnown = ({ table, jumps, chains }: ObservedGuards, device: string): boolean =>
  table === 'ours' && (jumps.has(device) || chainsOf(chains, device).length > 0);

const staleChains = ({ chains }: ObservedGuards, { device, chains: wanted }: PortGuard): readonly string[] =>
  chainsOf(chains, device).filter((name) => !wanted.some((chain) => chain.name === name));

const foreignTable = (): DomainError =>
  new DomainError(
    'precondition',
    'FOREIGN_TABLE',
    `nftables has a table bridge ${GUARD_TABLE} that is not weft's, where the rules for guests belong: rename or remove it ` +
      `(nft delete table bridge ${GUARD_TABLE})`,
    { details: { table: `bridge ${GUARD_TABLE}` } },
  );
