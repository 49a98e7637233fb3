import type { HostIdentity, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { moveOperations } from '../../plan/address-moves.ts';
import { devicesOf } from './devices.ts';
import { linkOperations } from './link-operations.ts';
import { networkMark } from './mark.ts';
import type { ObservedLink, ObservedUplink } from './observed.ts';

type Steps = ReturnType<typeof linkOperations>;

/**
 * Puts the interface that leads to the physical network into the bridge, up and learning; of a vlan network a sub-interface
 * of it. What the host's own is on it goes with it to the bridge, in the same batch.
 */
export const planUplink = (
  host: HostIdentity,
  intent: NetworkIntent,
  links: ReadonlyMap<string, ObservedLink>,
  uplink: ObservedUplink,
): readonly Operation[] => {
  const { provider } = intent;
  if (provider === undefined) return [];
  const steps = linkOperations(host, intent);
  const { bridge, uplink: name } = devicesOf(intent);
  const parent = links.get(provider.device);
  const there = links.get(name);
  const operations: Operation[] = [];
  if (provider.vlan !== undefined) operations.push(...planTagged(steps, intent, name, parent, there));
  if (parent?.up !== true) {
    operations.push(
      steps.set('set-up', provider.device, ['up'], `it leads to physical network ${provider.physicalNetwork}`),
    );
  }
  if (name !== provider.device && there?.up !== true) {
    operations.push(
      steps.set('set-up', name, ['up'], `it leads to VLAN ${String(provider.vlan)} of ${provider.physicalNetwork}`),
    );
  }
  const isInside = there?.master === bridge && links.has(bridge);
  if (!isInside) {
    const reason = `${name} leads network ${intent.networkId} to physical network ${provider.physicalNetwork}`;
    operations.push(steps.set('set-uplink', name, ['master', bridge], reason));
    if (provider.vlan === undefined)
      operations.push(...moveOperations(intent.networkId, uplink.device, bridge, uplink.routes));
  } else if (there.port?.learning === false) {
    const reason = 'where stations of a physical network are is learnt from what they send';
    operations.push(steps.set('set-uplink', name, ['type', 'bridge_slave', 'learning', 'on'], reason));
  }
  return operations;
};

const planTagged = (
  steps: Steps,
  intent: NetworkIntent,
  name: string,
  parent: ObservedLink | undefined,
  there: ObservedLink | undefined,
): readonly Operation[] => {
  if (there === undefined) return [steps.addVlan(name, parent?.name ?? ''), steps.mark(name)];
  return there.alias === networkMark(intent.networkId) ? [] : [steps.mark(name)];
};
