import { DomainError } from '#platform/errors/domain-error.ts';
import type { Operation } from '../../model/operation.ts';
import { tunnelName } from './devices.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import { baseFlows } from './flows.ts';
import { BRIDGE_MARK, TUNNEL_MARK } from './marks.ts';
import { bridgeKey, operationsOn } from './operations.ts';
import { TABLES } from './pipeline.ts';
import type { Site } from './plan.ts';
import { tunnelOptions } from './tunnel.ts';

/** What all networks of a host share, as the switch has it. */
export interface ObservedBase {
  readonly bridge?: {
    readonly datapathType: string;
    readonly failMode?: string;
    /** `external_ids`. */
    readonly ids: ReadonlyMap<string, string>;
    /** Names of the OpenFlow tables that have one. */
    readonly tables: ReadonlyMap<number, string>;
  };
  /** Options of the host's own tunnel, when it is there. */
  readonly tunnel?: ReadonlyMap<string, string>;
  /** The base's flows; none can be read of a bridge that is not there. */
  readonly flows: readonly FlowSpec[];
}

/**
 * Brings what all networks share to what it should be: the bridge, secure before anything is in it; its tables' names; the
 * tunnel; the flows. Throws `precondition` when there is a bridge of that name that is not the agent's.
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
    if (there.ids.get(BRIDGE_MARK) === undefined) throw notOurs(bridge, host.hostId);
    const columns = {
      ...(there.datapathType !== datapathType && { datapathType }),
      ...(there.failMode !== 'secure' && { failMode: 'secure' as const }),
      ...(there.ids.get(BRIDGE_MARK) !== host.hostId && { ids }),
    };
    if (Object.keys(columns).length > 0) {
      operations.push(steps.setBridge(columns, { reason: 'without its flows it must carry nothing' }));
    }
  }
  const unnamed = Object.entries(TABLES).filter(([name, table]) => there?.tables.get(table) !== name);
  if (unnamed.length > 0) {
    const names = Object.fromEntries(unnamed.map(([name, table]) => [table, name]));
    operations.push(steps.nameTables(names, { reason: 'so that a dump of the flows can be read', needs }));
  }
  operations.push(...planTunnel({ host, bridge }, observed.tunnel, needs));
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

const planTunnel = (
  { host, bridge }: Site,
  observed: ReadonlyMap<string, string> | undefined,
  needs: readonly string[],
): readonly Operation[] => {
  const steps = operationsOn(bridge);
  const device = tunnelName(host.vtep.udpPort);
  const options = tunnelOptions(host, host.vtep.udpPort);
  if (observed === undefined) {
    return [
      steps.addPort(
        { device, type: 'vxlan', options, interfaceIds: {}, portIds: { [TUNNEL_MARK]: host.hostId } },
        { reason: 'one tunnel serves all networks and all other hosts', needs },
      ),
    ];
  }
  const isRight = Object.entries(options).every(([key, value]) => observed.get(key) === value);
  return isRight ? [] : [steps.setOptions(device, options, { reason: 'the VTEP of this host', needs })];
};

const notOurs = (bridge: string, hostId: string): DomainError =>
  new DomainError(
    'precondition',
    'FOREIGN_BRIDGE',
    `there is a bridge ${bridge} that is not weft's; let weft have another (--ovs-bridge), or give it this one, whose ` +
      `flows will be weft's from then on: ovs-vsctl set Bridge ${bridge} external_ids:${BRIDGE_MARK}=${hostId}`,
    { details: { bridge } },
  );
