import type { Operation } from '../../model/operation.ts';
import {
  GUARD_CHAIN,
  GUARD_COMMENT,
  GUARD_HOOK,
  GUARD_JUMP,
  GUARD_MAP,
  GUARD_TABLE,
  guardChainOf,
  guardCountersOf,
} from './guard-rules.ts';
import type { PortGuard } from './guard-rules.ts';

/** Whom a step about rules is for. */
interface GuardPurpose {
  readonly reason: string;
  readonly networkId: string;
  readonly portId?: string;
}

/** The key of all steps about what a device may send. */
export const guardKey = (device: string): string => `guard:${device}`;
const TABLE_KEY = 'guard-table';

const IN = `bridge ${GUARD_TABLE}`;
const MAP = `add map ${IN} ${GUARD_MAP} { type ifname : verdict; }`;

/** One transaction, as a person would type it. */
const step = (
  kind: string,
  key: string,
  commands: readonly string[],
  { reason, networkId, portId }: GuardPurpose,
  needs?: readonly string[],
): Operation => ({
  kind,
  key,
  argv: ['nft', commands.join('; ')],
  reason,
  networkId,
  ...(portId !== undefined && { portId }),
  ...(needs !== undefined && { needs }),
});

/** Makes the table and what leads to the ports' rules; what is there of it stays. `anew`: what is there is wrong. */
export const addGuardTable = (networkId: string, anew: boolean): Operation =>
  step(
    'guard-table',
    TABLE_KEY,
    [
      ...(anew ? [`delete table ${IN}`] : []),
      `add table ${IN} { comment "${GUARD_COMMENT}"; }`,
      MAP,
      `add chain ${IN} ${GUARD_CHAIN} { ${GUARD_HOOK} }`,
      `flush chain ${IN} ${GUARD_CHAIN}`,
      `add rule ${IN} ${GUARD_CHAIN} ${GUARD_JUMP}`,
    ],
    { reason: 'what guests send is checked before the bridges see it', networkId },
  );

/** The commands that make a port's rules. */
const guardCommands = ({ device, chains }: PortGuard): readonly string[] => [
  ...guardCountersOf(device).map((counter) => `add counter ${IN} ${counter}`),
  ...chains.flatMap(({ name, rules }) => [
    `add chain ${IN} ${name}`,
    `flush chain ${IN} ${name}`,
    ...rules.map((rule) => `add rule ${IN} ${name} ${rule}`),
  ]),
];
/** It says for which network, so that nothing is left of a port that went while the agent was away. */
const jumpCommand = ({ device }: PortGuard, networkId: string): string =>
  `add element ${IN} ${GUARD_MAP} { "${device}" comment "${networkId}" : jump ${guardChainOf(device)} }`;

const guardReason = (portId: string): string => `port ${portId} may send from its own addresses`;

/** Writes a port's rules in the place of those it had. `stale`: chains it needs no more; `moves`: from another network. */
export const guardPort = (
  guard: PortGuard,
  { networkId, portId }: { readonly networkId: string; readonly portId: string },
  { stale, moves }: { readonly stale: readonly string[]; readonly moves: boolean },
): Operation =>
  step(
    'guard-port',
    guardKey(guard.device),
    [
      ...guardCommands(guard),
      ...stale.flatMap((name) => [`flush chain ${IN} ${name}`, `delete chain ${IN} ${name}`]),
      ...(moves ? [`delete element ${IN} ${GUARD_MAP} { "${guard.device}" }`] : []),
      jumpCommand(guard, networkId),
    ],
    { networkId, portId, reason: guardReason(portId) },
    [TABLE_KEY],
  );

/** As `guardPort`, a step for each command, to be looked at. */
export const guardPortSteps = (guard: PortGuard, networkId: string, portId: string): readonly Operation[] =>
  [...guardCommands(guard), jumpCommand(guard, networkId)].map((command) =>
    step('guard-port', guardKey(guard.device), [command], { networkId, portId, reason: guardReason(portId) }),
  );

/** Takes a device's rules away, whatever of them is there. `more`: further chains of it. */
export const unguardPort = (device: string, purpose: GuardPurpose, more: readonly string[] = []): Operation => {
  const chain = guardChainOf(device);
  const counters = guardCountersOf(device);
  // What is not there cannot be deleted, and one such word would undo the others: so it is added first.
  return step(
    'delete-port-guard',
    guardKey(device),
    [
      `add table ${IN}`,
      MAP,
      ...[chain, ...more].map((name) => `add chain ${IN} ${name}`),
      `add element ${IN} ${GUARD_MAP} { "${device}" : jump ${chain} }`,
      `delete element ${IN} ${GUARD_MAP} { "${device}" }`,
      ...[chain, ...more].map((name) => `flush chain ${IN} ${name}`),
      ...[chain, ...more].map((name) => `delete chain ${IN} ${name}`),
      ...counters.flatMap((counter) => [`add counter ${IN} ${counter}`, `delete counter ${IN} ${counter}`]),
    ],
    purpose,
  );
};
