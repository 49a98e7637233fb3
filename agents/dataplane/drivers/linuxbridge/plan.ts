import type { OwnedNetwork } from '../../model/host.ts';
import type { HostIdentity, NetworkChange, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { linkOperations } from './link-operations.ts';
import { attachUnseen, planLinks } from './link-plan.ts';
import type { ObservedBridgeNetwork } from './observed.ts';
import { linkKey } from './operations.ts';
import { devicesOfChange, isPluggedAnew } from '../../plan/changes.ts';
import { planChangedRows, planRows } from './row-plan.ts';
import { giveBackOperations } from '../../plan/address-moves.ts';

/**
 * Desired minus observed, in order: links, rows that carry traffic, flood rows, and only then what is no longer needed.
 * Throws `precondition` when a device of the network's names exists that is not ours.
 */
export const planNetwork = (
  host: HostIdentity,
  intent: NetworkIntent,
  observed: ObservedBridgeNetwork,
): readonly Operation[] => {
  const links = planLinks(host, intent, observed);
  // Where stations of a physical network are is learnt.
  if (intent.provider !== undefined) return [...links.operations, ...links.releases];
  const rows = planRows(host, intent, observed, { bridge: links.newBridge, vxlan: links.newVxlan });
  return [...links.operations, ...rows.additions, ...rows.flood, ...rows.deletions, ...links.releases];
};

/** The steps for a change of what the kernel holds, in the same order; cost in proportion to the change. */
export const planNetworkChange = (
  host: HostIdentity,
  intent: NetworkIntent,
  change: NetworkChange,
): readonly Operation[] => {
  const attached: Operation[] = [];
  const releases: Operation[] = [];
  const steps = linkOperations(host, intent);
  const { leaving } = devicesOfChange(change);
  for (const [portId, { before, after }] of change.ports) {
    if (after.local !== undefined && isPluggedAnew(change, portId))
      attached.push(...attachUnseen(host, intent, after.local));
    const device = before.local?.device;
    if (device !== undefined && leaving.has(device)) {
      releases.push(steps.releasePort(device, `port ${portId} has ${device} no more`, portId));
    }
  }
  if (intent.provider !== undefined) return [...attached, ...releases];
  const rows = planChangedRows(host, intent, change);
  return [...attached, ...rows.additions, ...rows.flood, ...rows.deletions, ...releases];
};

/** Takes a network off the host; devices of others that are in its bridge are let go, never deleted. */
export const planNetworkRemoval = (owned: OwnedNetwork): readonly Operation[] => {
  const step = (kind: string, device: string, argv: readonly string[], reason: string): Operation => ({
    kind,
    key: linkKey(device),
    argv,
    reason,
    networkId: owned.networkId,
  });
  const reason = `no port of network ${owned.networkId} is on this host`;
  const releases = (owned.ports ?? []).map((device) =>
    step('delete-bridge-port', device, ['ip', 'link', 'set', 'dev', device, 'nomaster'], reason),
  );
  // The tunnel before the bridge, so that nothing arrives at a bridge that is going.
  const tunnelsFirst = [...owned.devices].sort((a, b) => Number(isTunnel(b)) - Number(isTunnel(a)));
  const deletions = tunnelsFirst.map((device) =>
    step(deletionOf(device), device, ['ip', 'link', 'del', 'dev', device], reason),
  );
  const { home } = owned;
  const givenBack = home === undefined ? [] : giveBackOperations(owned.networkId, home.at, home.routes, home.of);
  return [...releases, ...givenBack, ...deletions];
};

const isTunnel = (device: string): boolean => !device.startsWith('brq');

const deletionOf = (device: string): string => {
  if (!isTunnel(device)) return 'delete-bridge';
  return device.startsWith('vxlan-') ? 'delete-vxlan' : 'delete-vlan';
};
