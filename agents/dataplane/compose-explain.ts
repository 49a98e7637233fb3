import { join } from 'node:path';
import { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { client } from '#platform/rpc/client.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { explainService } from './api/explain-service.ts';
import { parseBridgeMapping, type AgentConfig } from './config.ts';
import { Explain } from './explain/explain.ts';
import type { HostFacts, ObjectNames } from './explain/host-facts.ts';
import { Ledger } from './explain/ledger.ts';
import { Recorder } from './explain/recorder.ts';
import { TopologyNames } from './intake/object-names.ts';
import type { Dataplane } from './model/host.ts';
import type { VswitchDatabase } from './protocols/ovsdb/vswitch-database.ts';
import type { EventLog } from './reconcile/event-log.ts';
import type { HostAgent } from './reconcile/host-agent.ts';
import { HostCommands } from './sys/command.ts';
import { FileJournal } from './sys/file-journal.ts';
import { ownFiles } from './sys/host-files.ts';

/** What explaining shares with the rest of the agent, all of it somebody else's to close. */
export interface ExplainShares {
  readonly database: VswitchDatabase;
  readonly events: EventLog;
  /** Absent where the agent stands alone. */
  readonly mesh?: { readonly agent: HostAgent; readonly dataplane: Dataplane };
}

/** Programs at once: a look into many namespaces is many short ones. */
const AT_ONCE = 8;

/** What remembers all that is done on the host, to be started before anything is done, and the service that tells of it. */
export const composeExplain = (
  config: AgentConfig,
  { database, events, mesh }: ExplainShares,
  log: Log,
): { readonly component: Component; readonly service: RpcService } => {
  const journal = new FileJournal(join(config.stateDir, 'changes'));
  const ledger = new Ledger(journal, log);
  const recorder = new Recorder(ledger, events);
  const topology = mesh === undefined ? undefined : client(TopologyServiceService, config.topologyAddress);
  const routers = mesh === undefined ? undefined : client(RouterServiceService, config.topologyAddress);
  const names =
    topology === undefined || routers === undefined ? undefined : new TopologyNames(topology, routers, config.hostId);
  const explain = new Explain({
    commands: new HostCommands([], AT_ONCE),
    files: ownFiles,
    database,
    ledger,
    facts: () => factsOf(config, mesh),
    names: async (objects, signal) => (await names?.read(objects, signal)) ?? NO_NAMES,
  });
  const component: Component = {
    name: recorder.name,
    start: async () => recorder.start(),
    stop: async () => {
      await recorder.stop();
      journal.close();
      topology?.close();
      routers?.close();
    },
  };
  return { component, service: explainService(explain) };
};

const NO_NAMES: ObjectNames = { reached: false, networks: new Map(), routers: new Map(), ports: new Map() };

const factsOf = (config: AgentConfig, mesh: ExplainShares['mesh']): HostFacts => {
  const physicalNetworks = new Map<string, string>();
  for (const mapping of config.bridgeMappings) {
    const [network, device] = parseBridgeMapping(mapping);
    physicalNetworks.set(device, network);
  }
  if (mesh === undefined) return { hostId: config.hostId, networks: [], ports: [], physicalNetworks };
  const { agent, dataplane } = mesh;
  return {
    hostId: config.hostId,
    driver: dataplane.name,
    ...(config.vtepAddress !== undefined && { vtep: config.vtepAddress }),
    networks: agent.networks.all.map(({ table }) => ({
      networkId: table.networkId,
      vni: table.vni,
      ...dataplane.devicesOf(table),
      remotes: new Map([...table.remoteVteps].map(([address, vtep]) => [address, vtep.hostId])),
    })),
    ports: agent.devices.views.flatMap(({ device, port, networkId }) =>
      port === undefined ? [] : [{ portId: port.portId, networkId, device, mac: port.mac, ips: port.ips }],
    ),
    physicalNetworks,
  };
};
