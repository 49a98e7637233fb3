import { DomainError } from '#platform/errors/domain-error.ts';
import type { InterfaceAddress } from '../model/interface-address.ts';
import type { ObservedHost, OvsBridge } from '../model/observed.ts';
import type { OverlayRecord, OverlaySpec } from '../model/spec.ts';
import type { OverlayStep } from '../model/step.ts';
import { addressProblems, chooseMtu, tunnelLoopProblems, underlayProblems } from './checks.ts';
import { mtuReason, planLinks } from './links.ts';
import { planBridgeRemoval } from './removal.ts';
import { addBridge, needing, run, setDatapath, setLink, setMtuRequest, setStandalone } from './steps.ts';
import { planTunnels } from './tunnels.ts';

/** Which datapath bridges get: the one named, or the kernel's where there is one. */
export type DatapathWish = 'auto' | 'system' | 'netdev';

/** What is to be done for an overlay. */
export interface OverlayPlan {
  readonly steps: readonly OverlayStep[];
  /** What is wrong or missing; the steps are those that can be done all the same. */
  readonly problems: readonly DomainError[];
  /** Of the bridge and the links, as far as it is known. */
  readonly mtu?: number;
  readonly datapathType: string;
}

/** Desired minus observed, in order. Doing it and looking again gives no steps. */
export const planOverlay = (record: OverlayRecord, found: ObservedHost, wish: DatapathWish): OverlayPlan => {
  const { spec } = record;
  const datapath = chooseDatapath(found.bridges.get(spec.bridge), found, wish);
  const foreign = foreignNames(spec, found);
  if (foreign !== undefined) return { steps: [], problems: [foreign], datapathType: datapath.type };
  const { mtu, problems: mtuProblems } = chooseMtu(spec, found, record.lastMtu);
  const problems = [
    ...datapath.problems,
    ...tunnelLoopProblems(spec, found),
    ...mtuProblems,
    ...underlayProblems(spec, found, datapath.type),
  ];
  const facts = { ...(mtu !== undefined && { mtu }), datapathType: datapath.type };
  const removals = planStrayBridges(spec, found);
  const observed = withoutBridges(
    found,
    removals.flatMap(({ steps, bridge }) => (steps.length > 0 ? [bridge] : [])),
  );
  problems.push(...removals.flatMap((each) => each.problems), ...addressProblems(spec, observed));
  const bridge = observed.bridges.get(spec.bridge);
  const cannotBe = bridge === undefined ? datapath.problems.length > 0 : !observed.links.has(spec.bridge);
  if (cannotBe) return { steps: [], problems, ...facts };
  const tunnels = planTunnels(spec, observed);
  const links = planLinks(spec, observed, mtu, datapath.type);
  return {
    steps: [
      ...removals.flatMap(({ steps }) => steps),
      ...planBridge(spec, bridge, observed, mtu, datapath.type),
      ...planDevice(record, observed),
      ...tunnels.removals,
      ...links.removals,
      ...tunnels.others,
      ...links.others,
    ],
    problems: [...problems, ...links.problems],
    ...facts,
  };
};

/**
 * Bridges with the overlay's mark that are not the one it is to have, and that one when its device is gone: Open vSwitch
 * does not make the device of a bridge again.
 */
const planStrayBridges = (spec: OverlaySpec, observed: ObservedHost) =>
  [...observed.bridges.values()]
    .filter(({ overlay }) => overlay === spec.name)
    .filter(({ name }) => name !== spec.bridge || !observed.links.has(name))
    .map(({ name }) => {
      const reason =
        name === spec.bridge ? `the device of bridge ${name} is gone` : `overlay ${spec.name} has another bridge`;
      return planBridgeRemoval(spec.name, name, observed, reason);
    });

/** The host once these bridges are gone: they take their ports along, and their devices. */
const withoutBridges = (observed: ObservedHost, gone: readonly string[]): ObservedHost => ({
  ...observed,
  bridges: new Map([...observed.bridges].filter(([name]) => !gone.includes(name))),
  ports: new Map([...observed.ports].filter(([, { bridge }]) => !gone.includes(bridge))),
  links: new Map([...observed.links].filter(([name]) => !gone.includes(name))),
});

const planBridge = (
  spec: OverlaySpec,
  bridge: OvsBridge | undefined,
  observed: ObservedHost,
  mtu: number | undefined,
  datapathType: string,
): readonly OverlayStep[] => {
  if (bridge === undefined) return [addBridge(spec, datapathType, mtu)];
  const steps: OverlayStep[] = [];
  if (typeOf(bridge) !== datapathType) {
    steps.push(setDatapath(spec.bridge, datapathType, `the datapath is to be ${datapathType}`));
  }
  if (bridge.failMode === 'secure') steps.push(setStandalone(spec.bridge));
  if (mtu !== undefined && observed.ports.get(spec.bridge)?.mtuRequest !== mtu) {
    steps.push(setMtuRequest(spec.bridge, mtu, mtuReason(spec, mtu)));
  }
  return steps;
};

/** The bridge's own device: addresses, up. */
const planDevice = ({ spec, retired }: OverlayRecord, observed: ObservedHost): readonly OverlayStep[] => {
  const { bridge } = spec;
  const device = observed.links.get(bridge);
  const has = new Map((device?.addresses ?? []).map((each) => [each.text, each]));
  // Secondary ones first: they go along with the first one of their network.
  const leaving = retired
    .filter(({ text }) => has.has(text) && !spec.addresses.some((each) => each.text === text))
    .sort((a, b) => Number(has.get(b.text)?.secondary) - Number(has.get(a.text)?.secondary));
  const address = (verb: string, each: InterfaceAddress, reason: string): OverlayStep =>
    needing(run(`${verb}-address`, bridge, ['ip', 'addr', verb, each.text, 'dev', bridge], reason), bridge);
  // The kernel takes the others of a network along with the first one, unless told to promote them.
  const endangered = (each: InterfaceAddress): boolean =>
    has.get(each.text)?.secondary === true && leaving.some(({ network }) => network.text === each.network.text);
  return [
    ...leaving.map((each) => address('del', each, `overlay ${spec.name} has ${each.text} no more`)),
    ...spec.addresses.flatMap((each) => {
      const reason = `overlay ${spec.name} has ${each.text} on this host`;
      if (!has.has(each.text)) return [address('add', each, reason)];
      return endangered(each) ? [address('replace', each, `${reason}, and may have gone with another address`)] : [];
    }),
    ...(device?.up === true ? [] : [setLink('set-up', bridge, ['up'], `overlay ${spec.name} is to carry traffic`)]),
  ];
};

const typeOf = ({ datapathType }: OvsBridge): string => (datapathType === '' ? 'system' : datapathType);

const chooseDatapath = (
  bridge: OvsBridge | undefined,
  { datapathTypes }: ObservedHost,
  wish: DatapathWish,
): { readonly type: string; readonly problems: readonly DomainError[] } => {
  const offers = datapathTypes.join(', ');
  // A bridge that works is not changed because another datapath has come to be there.
  const kept = bridge !== undefined && datapathTypes.includes(typeOf(bridge)) ? typeOf(bridge) : undefined;
  const type = wish !== 'auto' ? wish : (kept ?? (datapathTypes.includes('system') ? 'system' : 'netdev'));
  if (datapathTypes.includes(type)) return { type, problems: [] };
  const message =
    datapathTypes.length === 0
      ? 'Open vSwitch has not told which datapaths it has: ovs-vswitchd has not run yet; start it'
      : `Open vSwitch on this host has no datapath ${type}, only ${offers}; load the kernel module openvswitch, or set ovs-datapath`;
  return {
    type,
    problems: [new DomainError('precondition', 'DATAPATH_UNAVAILABLE', message, { details: { type, offers } })],
  };
};

/** The names of the bridge and its tunnels, where somebody else has them. */
const foreignNames = (spec: OverlaySpec, observed: ObservedHost): DomainError | undefined => {
  const refused = (device: string, message: string): DomainError =>
    new DomainError('precondition', 'FOREIGN_DEVICE', message, { details: { device, overlay: spec.name } });
  const bridge = observed.bridges.get(spec.bridge);
  if (bridge !== undefined && bridge.overlay !== spec.name) {
    const whose = bridge.overlay === undefined ? "is not weft's" : `belongs to overlay ${bridge.overlay}`;
    return refused(spec.bridge, `bridge ${spec.bridge} exists and ${whose}; choose another name, or remove it`);
  }
  const device = observed.links.get(spec.bridge);
  if (bridge === undefined && device !== undefined) {
    return refused(
      spec.bridge,
      `${spec.bridge} exists and is no bridge of Open vSwitch but a ${device.kind ?? 'device'}; choose another name, or remove it`,
    );
  }
  for (const { device: name } of spec.peers) {
    const port = observed.ports.get(name);
    if (port !== undefined && port.overlay !== spec.name) {
      return refused(
        name,
        `${name} is a port of bridge ${port.bridge} and not overlay ${spec.name}'s; choose another name or remove it`,
      );
    }
  }
  return undefined;
};
