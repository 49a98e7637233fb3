import { DomainError } from '#platform/errors/domain-error.ts';
import type { Operation } from '../../model/operation.ts';
import { tunnelName, udpPortOf } from './devices.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import { baseFlows } from './flows.ts';
import { BRIDGE_MARK, TUNNEL_MARK } from './marks.ts';
import { bridgeKey, operationsOn } from './operations.ts';
import { TABLES } from './pipeline.ts';
import type { Site } from './site.ts';
import { tunnelOptions } from './tunnel.ts';

/** As ovs-vswitchd.conf.db(5) calls what the agent speaks. */
const PROTOCOL = 'OpenFlow15';

/** What all networks of a host share, as the switch has it. */
export interface ObservedBase {
  readonly bridge?: {
    readonly datapathType: string;
    readonly failMode?: string;
    /** Versions of OpenFlow that it speaks; all of them when there are none. */
    readonly protocols: readonly string[];
    /** `external_ids`. */
    readonly ids: ReadonlyMap<string, string>;
    /** Whether this very bridge had the agent's mark before. */
    readonly wasOurs: boolean;
    /** Names of the OpenFlow tables that have one. */
    readonly tables: ReadonlyMap<number, string>;
  };
  /** Ports that are called as tunnels are, by name. */
  readonly tunnels: ReadonlyMap<string, ObservedTunnel>;
  /** The base's flows; none can be read of a bridge that is not there. */
  readonly flows: readonly FlowSpec[];
}

/** A port that is called as a tunnel is. */
export interface ObservedTunnel {
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  /** Whether it has the agent's mark. */
  readonly isOurs: boolean;
}

/**
 * Brings what all networks share to what it should be: the bridge, secure before anything is in it; its tables' names; the
 * tunnels; the flows. Throws `precondition` when the bridge, or a port that is called as a tunnel is, is not the agent's.
 */
export const planBase = (site: Site, datapathType: string, observed: ObservedBase): readonly Operation[] => {
  const { host, bridge } = site;
  const steps = operationsOn(bridge);
  const operations: Operation[] = [];
  const needs = [bridgeKey(bridge)];
  const ids = { [BRIDGE_MARK]: host.hostId };
  const there = observed.bridge;
  if (there === undefined) {
    operations.push(
      steps.addBridge(
        { datapathType, failMode: 'secure', ids },
        { reason: `${bridge} is where this host's ports are` },
      ),
    );
  } else {
    const mark = there.ids.get(BRIDGE_MARK);
    if (mark === undefined && !there.wasOurs) throw notOurs(bridge, host.hostId);
    const isSpoken = there.protocols.length === 0 || there.protocols.includes(PROTOCOL);
    const reasons = [
      ...(there.datapathType === datapathType ? [] : [`the datapath of this host is ${datapathType}`]),
      ...(there.failMode === 'secure' ? [] : ['without its flows it must carry nothing']),
      ...(isSpoken ? [] : [`the agent speaks ${PROTOCOL}`]),
      ...(mark === host.hostId ? [] : [`it is the agent's of host ${host.hostId}`]),
    ];
    const columns = {
      ...(there.datapathType !== datapathType && { datapathType }),
      ...(there.failMode !== 'secure' && { failMode: 'secure' as const }),
      ...(!isSpoken && { protocols: [...there.protocols, PROTOCOL] }),
      ...(mark !== host.hostId && { ids }),
    };
    if (reasons.length > 0) operations.push(steps.setBridge(columns, { reason: reasons.join('; ') }));
  }
  const unnamed = Object.entries(TABLES).filter(([name, table]) => there?.tables.get(table) !== name);
  if (unnamed.length > 0) {
    const names = Object.fromEntries(unnamed.map(([name, table]) => [table, name]));
    operations.push(steps.nameTables(names, { reason: 'so that a dump of the flows can be read', needs }));
  }
  operations.push(...planTunnels(site, observed.tunnels, needs));
  const flows = new Map(observed.flows.map((flow) => [specKey(flow), flow]));
  const wanted = baseFlows(site);
  for (const flow of wanted) {
    const known = flows.get(specKey(flow));
    if (known !== undefined && sameSpec(known, flow)) continue;
    operations.push(steps.addFlow(flow, { reason: 'the way through the pipeline', needs }));
  }
  const keys = new Set(wanted.map(specKey));
  for (const [key, flow] of flows) {
    if (!keys.has(key)) operations.push(steps.deleteFlow(flow, { reason: 'no part of the pipeline' }));
  }
  return operations;
};

/** This host's own tunnel, and those to other UDP ports that some network has asked for. */
const planTunnels = (
  { host, bridge }: Site,
  observed: ReadonlyMap<string, ObservedTunnel>,
  needs: readonly string[],
): readonly Operation[] => {
  const steps = operationsOn(bridge);
  const operations: Operation[] = [];
  const own = tunnelName(host.vtep.udpPort);
  for (const [device, { type, options: found, isOurs }] of observed) {
    if (!isOurs) throw notOurTunnel(bridge, device);
    const options = tunnelOptions(host, udpPortOf(device) ?? host.vtep.udpPort);
    const isRight = type === 'vxlan' && Object.entries(options).every(([key, value]) => found.get(key) === value);
    if (!isRight) operations.push(steps.setTunnel(device, options, { reason: 'the VTEP of this host', needs }));
  }
  if (!observed.has(own)) {
    const options = tunnelOptions(host, host.vtep.udpPort);
    operations.push(
      steps.addPort(
        { device: own, type: 'vxlan', options, interfaceIds: {}, portIds: { [TUNNEL_MARK]: host.hostId } },
        { reason: 'one tunnel serves all networks and all other hosts', needs },
      ),
    );
  }
  return operations;
};

const notOurTunnel = (bridge: string, device: string): DomainError =>
  new DomainError(
    'precondition',
    'FOREIGN_DEVICE',
    `bridge ${bridge} has a port ${device} that is not weft's, where weft's tunnel belongs: rename or remove it ` +
      `(ovs-vsctl del-port ${bridge} ${device})`,
    { details: { bridge, device } },
  );

const notOurs = (bridge: string, hostId: string): DomainError =>
  new DomainError(
    'precondition',
    'FOREIGN_BRIDGE',
    `there is a bridge ${bridge} that is not weft's; let weft have another (--ovs-bridge), or give it this one, whose ` +
      `flows will be weft's from then on: ovs-vsctl set Bridge ${bridge} external_ids:${BRIDGE_MARK}=${hostId}`,
    { details: { bridge } },
  );
