import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import type { FlowMod } from '../../protocols/openflow/flow.ts';
import type { Operation as DatabaseOperation } from '../../protocols/ovsdb/operation.ts';
import { writeAll } from '../../sys/sysctl.ts';
import type { Sysctl } from '../../sys/sysctl.ts';
import { databaseOperations } from './database-operations.ts';
import { numbered } from './flow-spec.ts';
import type { DatabaseChange, OvsChange, OvsOperation } from './operations.ts';
import { NEARLY_WHOLE_COOKIE, WHOLE_COOKIE } from './pipeline.ts';
import type { PortNumbers } from './port-numbers.ts';
import type { SwitchView } from './switch-view.ts';

/** What doing needs of the switch. */
export interface SwitchTools {
  readonly view: SwitchView;
  readonly numbers: PortNumbers;
  readonly sysctl: Sysctl;
  /** Ports that were taken out and that the switch may still have. */
  readonly leaving: Set<string>;
  /** One transaction; `live`: resolves once the switch works by it. */
  transact(operations: readonly DatabaseOperation[], live: boolean, signal: AbortSignal): Promise<void>;
  /** One answer per change: undefined when it is confirmed. */
  changeFlows(mods: readonly FlowMod[], signal: AbortSignal): Promise<readonly (string | undefined)[]>;
}

const REPLACES = 'replace-port';

/** Changes after which flows may count on the switch having taken them up. */
const LIVE = new Set<OvsChange['kind']>(['add-bridge', 'set-bridge', 'add-port', 'set-tunnel']);

const isFlowChange = (
  change: OvsChange,
): change is Exclude<OvsChange, DatabaseChange | { readonly kind: 'isolate-port' }> =>
  change.kind === 'add-flow' || change.kind === 'delete-flow' || change.kind === 'delete-flows';

/** The kind of change that an operation of this driver carries; all others are none of its own. */
const changeOf = (operation: Operation): OvsChange | undefined =>
  'change' in operation ? (operation as OvsOperation).change : undefined;

/**
 * Does the steps in order: changes of the database one by one as they come, flows between them as one change, at one
 * instant. Flows wait for the numbers of new ports, and only those that need one. One outcome per step; a step whose
 * `needs` failed is not tried. Rejects when the switch cannot be reached: what is done then is to be read back.
 */
export const applyOperations = async (
  tools: SwitchTools,
  operations: readonly Operation[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> => {
  const errors = new Map<Operation, string>();
  const failed = new Set<string>();
  const fail = (operation: Operation, error: string): void => {
    errors.set(operation, error);
    failed.add(operation.key);
  };
  for (const run of runsOf(operations)) {
    const ready = run.filter((operation) => {
      const missing = operation.needs?.find((key) => failed.has(key));
      if (missing !== undefined) fail(operation, `not tried: ${missing} failed`);
      return missing === undefined;
    });
    const [first] = ready;
    if (first === undefined) continue;
    const change = changeOf(first);
    if (change === undefined) fail(first, 'no step of this dataplane');
    else if (change.kind === 'isolate-port') await isolate(tools, ready, fail, signal);
    else if (isFlowChange(change)) await changeFlows(tools, ready, fail, signal);
    else await changeDatabase(tools, ready, fail, signal);
  }
  return operations.map((operation) => {
    const error = errors.get(operation);
    return error === undefined ? { operation } : { operation, error };
  });
};

/** Neighbours of one sort. */
const runsOf = (operations: readonly Operation[]): readonly (readonly Operation[])[] => {
  const runs: Operation[][] = [];
  let sort: string | undefined;
  for (const operation of operations) {
    const change = changeOf(operation);
    const now = sortOf(change);
    if (now !== sort || sort === 'none') runs.push([]);
    runs.at(-1)?.push(operation);
    // The switch must have let go of it before it is put there again: one transaction of both changes nothing.
    sort = operation.kind === REPLACES ? undefined : now;
  }
  return runs;
};

const sortOf = (change: OvsChange | undefined): 'none' | 'settings' | 'flows' | 'database' => {
  if (change === undefined) return 'none';
  if (change.kind === 'isolate-port') return 'settings';
  return isFlowChange(change) ? 'flows' : 'database';
};

type Fail = (operation: Operation, error: string) => void;

const isolate = async (
  { sysctl }: SwitchTools,
  operations: readonly Operation[],
  fail: Fail,
  signal: AbortSignal,
): Promise<void> => {
  await Promise.all(
    operations.map(async (operation) => {
      const change = changeOf(operation);
      if (change?.kind !== 'isolate-port') return;
      const error = await writeAll(sysctl, change.settings, signal);
      if (error !== undefined) fail(operation, error);
    }),
  );
};

/** What is put in again is new to the switch only when that has seen it gone: until then it keeps the old device. */
const transact = async (
  tools: SwitchTools,
  operations: readonly Operation[],
  steps: readonly DatabaseOperation[],
  live: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const { leaving } = tools;
  const changes = operations.map(changeOf);
  if (changes.some((change) => change?.kind === 'add-port' && leaving.has(change.port.device)))
    await tools.transact([], true, signal);
  const settled = [...leaving];
  await tools.transact(steps, live, signal);
  if (live) for (const device of settled) leaving.delete(device);
  else for (const change of changes) if (change?.kind === 'delete-port') leaving.add(change.device);
};

/** All in one transaction; when that fails each in its own, so that a bad one does not drop its neighbours. */
const changeDatabase = async (
  tools: SwitchTools,
  operations: readonly Operation[],
  fail: Fail,
  signal: AbortSignal,
): Promise<void> => {
  try {
    const steps = operations.flatMap((operation, at) => {
      const change = changeOf(operation);
      if (change === undefined || change.kind === 'isolate-port' || isFlowChange(change)) return [];
      return databaseOperations(tools.view, change, at.toString());
    });
    const live = operations.some(
      (operation) => operation.kind === REPLACES || LIVE.has(changeOf(operation)?.kind ?? 'add-flow'),
    );
    if (steps.length > 0) await transact(tools, operations, steps, live, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toError(thrown);
    // Neither does better with each in its own: there is no database, or no switch that works by it.
    if (error instanceof DomainError && (error.code === 'unavailable' || error.code === 'deadline')) throw error;
    const [only, another] = operations;
    if (only === undefined) return;
    if (another === undefined) fail(only, error.message);
    else for (const operation of operations) await changeDatabase(tools, [operation], fail, signal);
  }
};

interface PreparedMod {
  readonly operation: Operation;
  readonly mod: FlowMod;
}

const changeFlows = async (
  tools: SwitchTools,
  operations: readonly Operation[],
  fail: Fail,
  signal: AbortSignal,
): Promise<void> => {
  const { numbers } = tools;
  const waiting: Operation[] = [];
  const devices = new Set<string>();
  const now: PreparedMod[] = [];
  for (const operation of operations) {
    const { mod, missing } = modOf(operation, numbers);
    // Of what is to go, no number means that the switch has given it to another port, and its flow with it.
    if (missing.length > 0 && changeOf(operation)?.kind === 'add-flow') {
      waiting.push(operation);
      for (const device of missing) devices.add(device);
    } else if (mod !== undefined) now.push({ operation, mod });
  }
  await confirm(tools, now, fail, signal);
  if (waiting.length === 0) return;
  await numbers.known(devices, signal);
  const then: PreparedMod[] = [];
  for (const operation of waiting) {
    const { mod, missing } = modOf(operation, numbers);
    const [device] = missing;
    // What can be had of a flood list is written all the same.
    if (mod !== undefined) then.push({ operation, mod });
    if (device !== undefined) fail(operation, numbers.complaint(device));
  }
  await confirm(tools, then, fail, signal);
};

const confirm = async (
  tools: SwitchTools,
  changes: readonly PreparedMod[],
  fail: Fail,
  signal: AbortSignal,
): Promise<void> => {
  if (changes.length === 0) return;
  const answers = await tools.changeFlows(
    changes.map(({ mod }) => mod),
    signal,
  );
  for (const [at, { operation }] of changes.entries()) {
    const answer = answers[at];
    if (answer !== undefined) fail(operation, answer);
  }
};

const modOf = (
  operation: Operation,
  numbers: PortNumbers,
): { readonly mod: FlowMod | undefined; readonly missing: readonly string[] } => {
  const change = changeOf(operation);
  if (change?.kind === 'delete-flows') {
    return { mod: { command: 'delete', cookie: change.cookie, cookieMask: WHOLE_COOKIE }, missing: [] };
  }
  if (change?.kind !== 'add-flow' && change?.kind !== 'delete-flow') return { mod: undefined, missing: [] };
  const isAddition = change.kind === 'add-flow';
  const { flow, missing } = numbered(change.flow, (device) =>
    isAddition ? numbers.now(device) : numbers.last(device),
  );
  if (flow === undefined) return { mod: undefined, missing };
  return isAddition
    ? { mod: { command: 'add', flow }, missing }
    : { mod: { command: 'delete_strict', flow, cookie: flow.cookie, cookieMask: NEARLY_WHOLE_COOKIE }, missing: [] };
};
