import { DomainError } from '#platform/errors/domain-error.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { OwnedNetwork } from '../../model/host.ts';
import type { NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { patchNames } from './devices.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import type { FlowUplink } from './flows.ts';
import { BRIDGE_MARK, physicalMark, UPLINK_MARK } from './marks.ts';
import type { ObservedOvsNetwork, ObservedProvider, SwitchPorts } from './observed.ts';
import { bridgeKey, operationsOn, portKey } from './operations.ts';
import type { Purpose } from './operations.ts';
import { BASE_COOKIE, PRIORITY } from './pipeline.ts';
import type { Site } from './site.ts';

/** The way of a network's flows to its physical network. */
export const uplinkOf = (site: Site, { provider }: NetworkIntent): FlowUplink | undefined => {
  if (provider === undefined || site.providerBridge === undefined) return undefined;
  return { device: patchNames(site.providerBridge(provider).name).inner, vlan: provider.vlan };
};

/**
 * Brings what leads a network to its physical network to what it should be: the bridge with the interface in it, secure
 * before that is; the cable to the integration bridge; the bridge's flows. Networks of one physical network share all of it.
 * Throws `precondition` where a bridge of that name is somebody else's.
 */
export const planProvider = (
  site: Site,
  intent: NetworkIntent,
  { provider: observed, ports }: ObservedOvsNetwork,
): readonly Operation[] => {
  const { provider, networkId, vni } = intent;
  if (provider === undefined || observed === undefined || site.providerBridge === undefined) return [];
  const { physicalNetwork } = provider;
  const bridge = site.providerBridge(provider);
  const steps = operationsOn(site.bridge);
  const reason = `network ${networkId} is on physical network ${physicalNetwork}`;
  const mark =
    observed.mark === physicalNetwork
      ? []
      : [steps.setBridgeId(physicalMark(vni), physicalNetwork, { reason, networkId })];
  const { inner, outer } = patchNames(bridge.name);
  const purpose = { reason: `${bridge.name} leads to physical network ${physicalNetwork}`, networkId };
  return [
    ...mark,
    ...(bridge.uplink === undefined ? [] : planBridge(site, bridge.name, observed, purpose)),
    ...(bridge.uplink === undefined || observed.ports.has(bridge.uplink)
      ? []
      : [
          operationsOn(bridge.name).addPort(
            { device: bridge.uplink, interfaceIds: {}, portIds: { [UPLINK_MARK]: physicalNetwork } },
            { ...purpose, needs: [bridgeKey(bridge.name)] },
          ),
        ]),
    ...planPatch(bridge.name, observed.ports, { device: outer, peer: inner }, physicalNetwork, purpose),
    ...planPatch(site.bridge, ports, { device: inner, peer: outer }, physicalNetwork, purpose),
    ...(bridge.uplink === undefined ? [] : planFlows(bridge.name, bridge.uplink, observed.flows, purpose)),
  ];
};

const planBridge = (site: Site, name: string, observed: ObservedProvider, purpose: Purpose): readonly Operation[] => {
  const steps = operationsOn(name);
  const { bridge, datapathType } = observed;
  const ids = { [BRIDGE_MARK]: site.host.hostId };
  if (bridge === undefined) return [steps.addBridge({ datapathType, failMode: 'secure', ids }, purpose)];
  if (!bridge.isOurs) throw notOurs(name);
  const isRight = bridge.datapathType === datapathType && bridge.failMode === 'secure';
  const reason = 'it carries what its flows say, in the datapath of the integration bridge';
  return isRight ? [] : [steps.setBridge({ datapathType, failMode: 'secure' }, { ...purpose, reason })];
};

const planPatch = (
  bridge: string,
  ports: SwitchPorts,
  { device, peer }: { readonly device: string; readonly peer: string },
  physicalNetwork: string,
  purpose: Purpose,
): readonly Operation[] => {
  const steps = operationsOn(bridge);
  const known = ports.get(device);
  if (known === undefined) {
    const port = {
      device,
      type: 'patch',
      options: { peer },
      interfaceIds: {},
      portIds: { [UPLINK_MARK]: physicalNetwork },
    } as const;
    return [steps.addPort(port, purpose)];
  }
  return known.peer === peer ? [] : [steps.setPeer(device, peer, purpose)];
};

/** What comes from one side goes to the other: which networks' it is, the integration bridge tells. */
const planFlows = (
  bridge: string,
  uplink: string,
  observed: readonly FlowSpec[],
  { networkId }: Purpose,
): readonly Operation[] => {
  const steps = operationsOn(bridge);
  const { outer } = patchNames(bridge);
  const there = new Map(observed.map((flow) => [specKey(flow), flow]));
  const wanted = [between(outer, uplink), between(uplink, outer)];
  const keys = new Set(wanted.map(specKey));
  const on = { ...(networkId !== undefined && { networkId }), needs: [portKey(uplink)] };
  return [
    ...wanted.flatMap((flow) => {
      const known = there.get(specKey(flow));
      const reason = `what comes in by ${flow.inPort ?? ''} goes out on the other side`;
      return known !== undefined && sameSpec(known, flow) ? [] : [steps.addFlow(flow, { ...on, reason })];
    }),
    ...[...there].flatMap(([key, flow]) =>
      keys.has(key) ? [] : [steps.deleteFlow(flow, { ...on, reason: `no part of the way through ${bridge}` })],
    ),
  ];
};

const between = (from: string, to: string): FlowSpec => ({
  cookie: BASE_COOKIE,
  table: 0,
  priority: PRIORITY.entry,
  match: {},
  inPort: from,
  actions: [{ kind: 'output', device: to }],
});

/** Takes a network's mark away, and with the last network of a physical network what led to that. */
export const planProviderRemoval = (bridge: string, owned: OwnedNetwork, vni: Vni): readonly Operation[] => {
  const { networkId, providerBridge } = owned;
  if (providerBridge === undefined) return [];
  const steps = operationsOn(bridge);
  const purpose = { reason: `no network of this host needs ${providerBridge.name}`, networkId };
  const { inner, outer } = patchNames(providerBridge.name);
  const there = operationsOn(providerBridge.name);
  return [
    steps.setBridgeId(physicalMark(vni), undefined, purpose),
    ...(providerBridge.isLast
      ? [
          steps.deletePort(inner, purpose),
          providerBridge.isOurs ? there.deleteBridge(purpose) : there.deletePort(outer, purpose),
        ]
      : []),
  ];
};

const notOurs = (bridge: string): DomainError =>
  new DomainError(
    'precondition',
    'FOREIGN_BRIDGE',
    `there is a bridge ${bridge} that is not weft's; map it as it is (--bridge-mappings with ${bridge} as the device), or rename it`,
    { details: { bridge } },
  );
