import { DutyServiceService } from '#proto/weft/topology/v1/duty.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { client } from '#platform/rpc/client.ts';
import type { AgentConfig } from './config.ts';
import { EdgeDuties, type EdgeDutiesTools } from './edge/core/duties.ts';
import { DhcpService } from './edge/dhcp/service.ts';
import { RouterService } from './edge/router/service.ts';
import { DutySource, type PortSecurityListener } from './intake/duty-source.ts';
import { DutyStore } from './intake/duty-store.ts';
import type { Edge } from './model/edge.ts';
import type { RouterDuty } from './model/router-duty.ts';
import type { StateFiles } from './model/state-files.ts';
import type { EventLog } from './reconcile/event-log.ts';
import { HostCommands } from './sys/command.ts';
import { ownDaemons } from './sys/daemons.ts';
import { ownEdgeFiles } from './sys/edge-files.ts';
import { ownNamespaces } from './sys/namespace-watch.ts';

/** What the edge shares with the rest of the agent, all of it somebody else's to close. */
export interface EdgeShares {
  readonly files: StateFiles;
  readonly events: EventLog;
  readonly ports: PortSecurityListener;
}

/** What this host serves besides forwarding: `components` in the order of their start, behind what plugs taps. */
export const composeEdge = (
  config: AgentConfig,
  { files, events, ports }: EdgeShares,
  log: Log,
): { readonly components: readonly Component[]; readonly edge: Edge } => {
  const { hostId, stateDir, startGraceMs } = config;
  const tools: EdgeDutiesTools = {
    ...{ hostId, events, log, timing: config },
    commands: new HostCommands(),
    files: ownEdgeFiles,
    daemons: ownDaemons,
    namespaces: ownNamespaces,
  };
  const dhcp = new EdgeDuties(new DhcpService(tools, stateDir), tools);
  const serving: RouterService = new RouterService({
    ...tools,
    stateDir,
    suspect: (id) => {
      routers.suspect(id);
    },
  });
  const routers = new EdgeDuties<RouterDuty>(serving, tools);
  const duties = client(DutyServiceService, config.topologyAddress);
  const store = new DutyStore(files, log);
  const source = new DutySource({ client: duties, hostId, store, dhcp, routers, ports, log, startGraceMs });
  const connection: Component = {
    name: 'duty-client',
    start: async () => Promise.resolve(),
    stop: async () => {
      duties.close();
      return Promise.resolve();
    },
  };
  const watching: Component = {
    name: 'router-watch',
    start: async () => Promise.resolve(),
    stop: async () => serving.stop(),
  };
  return {
    components: [connection, dhcp, watching, routers, source],
    edge: {
      operations: () => dhcp.operations + routers.operations,
      plan: async (signal) => (await Promise.all([dhcp.plan(signal), routers.plan(signal)])).flat(),
    },
  };
};
