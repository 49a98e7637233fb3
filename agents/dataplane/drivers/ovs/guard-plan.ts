import type { LocalPort, NetworkChange, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { isPluggedAnew } from '../../plan/changes.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import { guardFlows } from './guard-flows.ts';
import { portKey } from './operations.ts';
import type { BridgeOperations, Purpose } from './operations.ts';

/** Why a flow of a port's anti-spoofing is there. */
export const guardPurpose = (networkId: string, { device, portId }: LocalPort): Purpose => ({
  reason: `port ${portId} may send from its own addresses`,
  networkId,
  portId,
  needs: [portKey(device)],
});

/** The flows of ports whose device or security changed: of one that is plugged anew all, else what differs. */
export const planChangedGuards = (
  steps: BridgeOperations,
  intent: NetworkIntent,
  change: NetworkChange,
): { readonly additions: readonly Operation[]; readonly deletions: readonly Operation[] } => {
  const old = new Map<string, { readonly flow: FlowSpec; readonly portId: string }>();
  const now = new Set<string>();
  const additions: Operation[] = [];
  const changed = [...change.ports].filter(([, { before, after }]) => before.local !== after.local);
  for (const [portId, { before }] of changed) {
    if (before.local === undefined) continue;
    for (const flow of guardFlows(intent.vni, before.local)) old.set(specKey(flow), { flow, portId });
  }
  for (const [portId, { after }] of changed) {
    if (after.local === undefined) continue;
    const isAnew = isPluggedAnew(change, portId);
    for (const flow of guardFlows(intent.vni, after.local)) {
      const key = specKey(flow);
      now.add(key);
      const known = old.get(key);
      if (!isAnew && known !== undefined && sameSpec(known.flow, flow)) continue;
      additions.push(steps.addFlow(flow, guardPurpose(intent.networkId, after.local)));
    }
  }
  const { networkId } = intent;
  const deletions = [...old].flatMap(([key, { flow, portId }]) =>
    now.has(key) ? [] : [steps.deleteFlow(flow, { reason: `port ${portId} needs it no more`, networkId, portId })],
  );
  return { additions, deletions };
};
