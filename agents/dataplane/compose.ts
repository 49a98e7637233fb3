import { join } from 'node:path';
import { L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseVni } from '#platform/net/vni.ts';
import { client } from '#platform/rpc/client.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { agentService } from './api/agent-service.ts';
import { composeEdge } from './compose-edge.ts';
import { composeLibvirt } from './compose-libvirt.ts';
import { composeExplain } from './compose-explain.ts';
import { composeHostCheck } from './compose-host-check.ts';
import { composeOverlays, composeSwitch } from './compose-overlays.ts';
import { composePersistence } from './compose-persistence.ts';
import { type AgentConfig, parseBridgeMapping } from './config.ts';
import { LinuxBridgeDataplane } from './drivers/linuxbridge/dataplane.ts';
import { OvsDataplane } from './drivers/ovs/dataplane.ts';
import { findUnderlay } from './sys/underlay.ts';
import { readControlPlane } from './intake/control-plane-facts.ts';
import { DesiredStore } from './intake/desired-store.ts';
import { L2popSource } from './intake/l2pop-source.ts';
import { NatsFeed } from './intake/nats-feed.ts';
import { TopologyRegistry } from './intake/topology-registry.ts';
import type { HostIdentity } from './model/intent.ts';
import type { UplinkSettings } from './model/uplinks.ts';
import type { HostLimits } from './plan/refusal.ts';
import { EventLog } from './reconcile/event-log.ts';
import { HostAgent } from './reconcile/host-agent.ts';
import { PinnedNetworks } from './reconcile/pinned-networks.ts';
import { PendingDowns } from './reconcile/pending-downs.ts';
import { ReportedDevices } from './reconcile/reported-devices.ts';
import { dialUnix } from './sys/stream-socket.ts';
import { FileJournal } from './sys/file-journal.ts';
import { FileStore } from './sys/file-store.ts';

const VERSION = '0.1.0';

/** An agent: what runs, in start order, and the service to put before it. */
export interface AgentParts {
  readonly components: readonly Component[];
  readonly services: readonly RpcService[];
}

/**
 * Makes an agent for this network namespace: of a mesh, or standing alone. Throws DomainError `precondition` when no
 * interface bears the VTEP address.
 */
export const composeAgent = async (
  config: AgentConfig,
  log: Log,
  fail: (error: Error) => void,
): Promise<AgentParts> => {
  const { database, component: ovsdb } = composeSwitch(config);
  const files = new FileStore(config.stateDir);
  if (config.standalone) {
    const shares = { database, files, events: new EventLog() };
    const overlays = composeOverlays(config, shares, log);
    const persistence = composePersistence(config, shares, overlays.component, log);
    const hostCheck = composeHostCheck(config, { database, overlays: overlays.component });
    const explain = composeExplain(config, shares, log);
    const libvirt = composeLibvirt(config, shares, log);
    return {
      components: [
        ...[ovsdb, explain.component, overlays.component, persistence.component, libvirt.records],
        ...libvirt.components,
      ],
      services: [overlays.service, persistence.service, hostCheck, libvirt.service, explain.service],
    };
  }
  const address = parseUnicastIp('vtep-address', config.vtepAddress ?? '');
  const host: HostIdentity = {
    hostId: config.hostId,
    vtep: { hostId: config.hostId, address, udpPort: config.udpPort },
  };
  const { mtu: underlayMtu, device: underlayDevice } = await findUnderlay(address, AbortSignal.timeout(10_000));
  const journal = new FileJournal(join(config.stateDir, 'reported-devices'));
  const nats = new NatsConnection({ servers: config.nats, client: `weft-agent ${config.hostId}` }, log);
  const bus = new SubjectBus(nats, log);
  const mappings = new Map<string, string>(config.bridgeMappings.map((mapping) => parseBridgeMapping(mapping)));
  const topology = client(TopologyServiceService, config.topologyAddress);
  const l2pop = client(L2populationServiceService, config.l2popAddress);
  const labels = Object.fromEntries(config.labels.map((label) => label.split(/=(.*)/s, 2) as [string, string]));
  const registration = {
    vtep: host.vtep,
    driver: config.driver,
    underlayMtu,
    labels,
    leaseMs: config.leaseMs,
    agentVersion: VERSION,
    roles: config.roles,
    bridgeMappings: Object.fromEntries(mappings),
  };
  const limits: HostLimits = {
    hostId: config.hostId,
    underlayMtu,
    underlayVersion: ipVersion(address),
    parseVni: (vni) => parseVni('segmentation_id', vni),
    mappings,
  };
  const registry = new TopologyRegistry(topology, registration);
  const uplinks: UplinkSettings = {
    hostId: config.hostId,
    mappings,
    movesAddresses: config.moveAddresses,
    reachWithinMs: config.moveBackMs,
    reach: async (signal) => registry.renew(signal),
  };
  const dataplane =
    config.driver === 'linuxbridge'
      ? new LinuxBridgeDataplane({ log, uplinks })
      : new OvsDataplane({
          host,
          bridge: config.ovsBridge,
          datapath: config.ovsDatapath,
          underlayDevice,
          database,
          dial: dialUnix,
          runDir: config.ovsRunDir,
          log,
          uplinks,
        });
  const agent = new HostAgent(
    {
      host,
      limits,
      dataplane,
      registry,
      source: new L2popSource(l2pop, config.hostId, log),
      feed: new NatsFeed(bus, config.hostId, log),
      states: new DesiredStore(files, host, log),
      downs: new PendingDowns(files),
      reported: new ReportedDevices(journal, log),
      log,
      timing: config,
    },
    fail,
  );
  const clients: Component = {
    name: 'clients',
    start: async () => Promise.resolve(),
    stop: async () => {
      topology.close();
      l2pop.close();
      journal.close();
      return Promise.resolve();
    },
  };
  let listening: Disposable | undefined;
  const catchUp: Component = {
    name: 'catch-up',
    start: async () => {
      listening = bus.onConnect(() => {
        agent.onBusConnected();
      });
      return Promise.resolve();
    },
    stop: async () => {
      listening?.[Symbol.dispose]();
      return Promise.resolve();
    },
  };
  const shares = { database, files, events: agent.events };
  const { edge, components: edgeComponents } = composeEdge(config, { files, events: agent.events, ports: agent }, log);
  const overlays = composeOverlays(config, shares, log);
  const explain = composeExplain(config, { ...shares, mesh: { agent, dataplane } }, log);
  const persistence = composePersistence(config, shares, overlays.component, log);
  const hostCheck = composeHostCheck(config, {
    database,
    overlays: overlays.component,
    mesh: {
      ...{ hostId: config.hostId, driver: config.driver, vtep: address, udpPort: config.udpPort },
      controlPlane: async (signal) => readControlPlane(topology, signal),
      held: () => agent.networks.all.map(({ table: { networkId, mtu } }) => ({ networkId, mtu })),
    },
  });
  const pinned = new PinnedNetworks({ networks: agent.networks, directory: registry, dataplane, limits });
  const libvirt = composeLibvirt(
    config,
    {
      ...shares,
      mesh: {
        networks: pinned,
        learn: (facts) => {
          agent.devices.learn(facts);
        },
      },
    },
    log,
  );
  return {
    components: [
      ...[clients, nats, ovsdb, explain.component, dataplane, libvirt.records, agent, catchUp, ...edgeComponents],
      ...[overlays.component, persistence.component, ...libvirt.components],
    ],
    services: [
      agentService({ agent, dataplane, host, underlayMtu, edge }),
      ...[overlays.service, persistence.service, hostCheck, libvirt.service, explain.service],
    ],
  };
};
