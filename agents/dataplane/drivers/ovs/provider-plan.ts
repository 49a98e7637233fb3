import { DomainError } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { OwnedNetwork } from '../../model/host.ts';
import type { NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { giveBackOperations, moveOperations } from '../../plan/address-moves.ts';
import { patchNames } from './devices.ts';
import { LOCAL } from './flow-spec.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import { GROUP_BIT, macNumber } from './flows.ts';
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
 * before that is; the cable to the integration bridge; the bridge's flows; what the host has on the interface, on the bridge's
 * own device. Networks of one physical network share all of it.
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
  const led = [
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
    ...(bridge.uplink === undefined ? [] : planFlows(bridge.name, bridge.uplink, observed, purpose)),
  ];
  const own = bridge.uplink === undefined ? [] : planOwn(bridge.name, bridge.uplink, observed, purpose);
  // Not where a part of what would carry the host's own traffic then is missing.
  const needs = led.map(({ key }) => key);
  return [...mark, ...led, ...own.map((step) => ({ ...step, needs }))];
};

/** Moves what the host has on the interface to the bridge's own device, which is a station of the wire then. */
const planOwn = (
  bridge: string,
  uplink: string,
  { own: { moving, local, isExposed }, datapathType }: ObservedProvider,
  { networkId = '' }: Purpose,
): readonly Operation[] => {
  const reason = "the host's own addresses are on it";
  const up = {
    ...{ kind: 'set-up', key: `link:${bridge}`, networkId, reason },
    argv: ['ip', 'link', 'set', 'dev', bridge, 'up'],
  };
  const isNew = moving !== undefined && datapathType === 'netdev';
  return [
    ...(local?.up === true || (local ?? moving) === undefined ? [] : [up]),
    ...moveOperations(networkId, moving?.device, bridge, moving?.routes ?? []),
    ...(isNew || (local !== undefined && isExposed)
      ? [
          operationsOn(bridge).isolatePort(uplink, {
            reason: `what is for ${bridge} is not to be taken twice`,
            networkId,
          }),
        ]
      : []),
  ];
};

const planBridge = (site: Site, name: string, observed: ObservedProvider, purpose: Purpose): readonly Operation[] => {
  const steps = operationsOn(name);
  const { bridge, datapathType, own } = observed;
  const ids = { [BRIDGE_MARK]: site.host.hostId };
  const mac = own.moving?.device.mac;
  // Before anything is on its own device: to give that another one the switch takes it down.
  const named =
    mac === undefined
      ? []
      : [steps.setBridge({ mac }, { ...purpose, reason: `neighbours know ${own.moving?.device.name ?? ''} by it` })];
  if (bridge === undefined) return [steps.addBridge({ datapathType, failMode: 'secure', ids }, purpose), ...named];
  if (!bridge.isOurs) throw notOurs(name);
  const isRight = bridge.datapathType === datapathType && bridge.failMode === 'secure';
  const reason = 'it carries what its flows say, in the datapath of the integration bridge';
  return [
    ...(isRight ? [] : [steps.setBridge({ datapathType, failMode: 'secure' }, { ...purpose, reason })]),
    ...named,
  ];
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

/**
 * What comes from one side goes to the other: which networks' it is, the integration bridge tells. Where the bridge's own
 * device bears addresses of the host, it gets what is for it and what is for all, and what it sends goes to both sides.
 */
const planFlows = (
  bridge: string,
  uplink: string,
  { flows: observed, own }: ObservedProvider,
  { networkId }: Purpose,
): readonly Operation[] => {
  const steps = operationsOn(bridge);
  const { outer } = patchNames(bridge);
  const there = new Map(observed.map((flow) => [specKey(flow), flow]));
  const mac = (own.moving?.device ?? own.local)?.mac;
  const wanted = [
    ...[between(outer, uplink), between(uplink, outer)],
    ...(mac === undefined
      ? []
      : [between(LOCAL, uplink, outer), ...withLocal(mac, outer, uplink), ...withLocal(mac, uplink, outer)]),
  ];
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

const between = (from: string, ...to: readonly string[]): FlowSpec => ({
  cookie: BASE_COOKIE,
  table: 0,
  priority: PRIORITY.entry,
  match: {},
  inPort: from,
  actions: to.map((device) => ({ kind: 'output', device })),
});

const withLocal = (mac: MacAddress, from: string, to: string): readonly FlowSpec[] => [
  { ...between(from, LOCAL), priority: PRIORITY.exception, match: { eth_dst: { value: macNumber(mac) } } },
  {
    ...between(from, to, LOCAL),
    priority: PRIORITY.exception,
    match: { eth_dst: { value: GROUP_BIT, mask: GROUP_BIT } },
  },
];

/** Takes a network's mark away, and with the last network of a physical network what led to that. */
export const planProviderRemoval = (bridge: string, owned: OwnedNetwork, vni: Vni): readonly Operation[] => {
  const { networkId, providerBridge, home } = owned;
  if (providerBridge === undefined) return [];
  const steps = operationsOn(bridge);
  const purpose = { reason: `no network of this host needs ${providerBridge.name}`, networkId };
  const { inner, outer } = patchNames(providerBridge.name);
  const there = operationsOn(providerBridge.name);
  return [
    steps.setBridgeId(physicalMark(vni), undefined, purpose),
    ...(providerBridge.isLast
      ? [
          ...(home === undefined
            ? []
            : [
                ...(home.settings === undefined ? [] : [there.openPort(home.of, home.settings, purpose)]),
                ...giveBackOperations(networkId, home.at, home.routes, home.of),
              ]),
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
