import { DomainError } from '#platform/errors/domain-error.ts';
import type { OverlayName } from '../model/names.ts';
import type { ObservedHost } from '../model/observed.ts';
import type { OverlayStep } from '../model/step.ts';
import { deleteMarked } from './links.ts';
import { deleteBridge, deletePort } from './steps.ts';

/** What taking something away takes. */
export interface RemovalPlan {
  readonly steps: readonly OverlayStep[];
  readonly problems: readonly DomainError[];
  /** Ports of others that are let go. */
  readonly released: readonly { readonly bridge: string; readonly port: string }[];
}

/** Everything that bears an overlay's mark, and nothing else. */
export const planRemoval = (overlay: OverlayName, observed: ObservedHost): RemovalPlan => {
  const reason = `overlay ${overlay} is deleted`;
  const bridges = [...observed.bridges.values()]
    .filter((bridge) => bridge.overlay === overlay)
    .map(({ name }) => planBridgeRemoval(overlay, name, observed, reason));
  const going = new Set(bridges.flatMap(({ bridge }) => bridge));
  const elsewhere = [...observed.ports.values()].filter((port) => port.overlay === overlay && !going.has(port.bridge));
  return {
    steps: [
      ...bridges.flatMap(({ steps }) => steps),
      ...elsewhere.map(({ bridge, name }) => deletePort(bridge, name, reason)),
      ...deleteMarked(overlay, observed, () => true, reason),
    ],
    problems: bridges.flatMap(({ problems }) => problems),
    released: bridges.flatMap(({ released }) => released),
  };
};

/**
 * One bridge with all that was made for it. Devices of others are let go first, so that it is told; ports of others that
 * are in the database alone would end with the bridge, so it stays while they are there.
 */
export const planBridgeRemoval = (
  overlay: OverlayName,
  bridge: string,
  observed: ObservedHost,
  reason: string,
): RemovalPlan & { readonly bridge: string } => {
  const foreign = [...observed.ports.values()].filter(
    (port) => port.bridge === bridge && port.name !== bridge && port.overlay !== overlay,
  );
  const lasting = foreign.filter(({ type }) => type === '' || type === 'system');
  const mortal = foreign.filter((port) => !lasting.includes(port));
  if (mortal.length > 0) {
    const names = mortal.map(({ name, type }) => `${name} (${type})`).join(', ');
    const problem = new DomainError(
      'precondition',
      'FOREIGN_PORTS',
      `bridge ${bridge} has ports of others that would end with it: ${names}; remove them first`,
      { details: { bridge, ports: mortal.map(({ name }) => name).join(',') } },
    );
    return { bridge, steps: [], problems: [problem], released: [] };
  }
  return {
    bridge,
    steps: [
      ...lasting.map(({ name }) =>
        deletePort(bridge, name, `${name} is somebody else's and stays when ${bridge} goes`),
      ),
      deleteBridge(bridge, reason),
    ],
    problems: [],
    released: lasting.map(({ name }) => ({ bridge, port: name })),
  };
};
