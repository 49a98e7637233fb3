import { inTurns } from '#platform/async/turns.ts';
import {
  AgentServiceService,
  EventKind,
  type Event,
  type FloodDestination,
  type ForwardingTable,
  type HostState,
  type LocalPort as WireLocalPort,
} from '#proto/weft/agent/v1/agent.ts';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseDeviceName, parseUuid } from '#platform/net/names.ts';
import { service, serverStream, unary, type RpcService } from '#platform/rpc/handlers.ts';
import type { Edge } from '../model/edge.ts';
import type { Dataplane } from '../model/host.ts';
import type { HostIdentity } from '../model/intent.ts';
import { commandOf } from '../model/operation.ts';
import { SPOOF_REASONS } from '../model/port-security.ts';
import { digestOfRows } from '../plan/digest.ts';
import type { DeviceView } from '../reconcile/device.ts';
import type { HostEvent } from '../reconcile/event-log.ts';
import type { HostAgent } from '../reconcile/host-agent.ts';
import type { NetworkWorker } from '../reconcile/network-worker.ts';
import { toWireEvent, toWireNetwork, toWireOperation, toWireOutcome, WIRE_DRIVER, WIRE_EVENT } from './wire.ts';

export interface AgentApiTools {
  readonly agent: HostAgent;
  readonly dataplane: Dataplane;
  readonly host: HostIdentity;
  readonly underlayMtu: number;
  readonly edge: Edge;
}

/** weft.agent.v1 over one host's agent. */
export const agentService = (tools: AgentApiTools): RpcService => {
  const { agent, dataplane, host, underlayMtu, edge } = tools;

  const workersFor = (networkId: string): readonly NetworkWorker[] =>
    networkId === '' ? agent.networks.all : [agent.networks.require(parseUuid('network_id', networkId))];

  const workerOf = (networkId: string): NetworkWorker => agent.networks.require(parseUuid('network_id', networkId));

  const floodDestinations = async (worker: NetworkWorker, signal: AbortSignal): Promise<FloodDestination[]> => {
    const { table } = worker;
    const { rows } = await dataplane.observe(table, signal);
    const wanted = new Set([...table.remoteVteps.keys(), ...table.manualFlood]);
    return [...wanted].sort().map((address) => ({
      network_id: table.networkId,
      vtep_address: address,
      manual: !table.remoteVteps.has(address),
      programmed: rows.flood.has(address),
    }));
  };

  return service(AgentServiceService, {
    getHostState: unary(async () => {
      const state: HostState = {
        host_id: host.hostId,
        vtep: { host_id: host.hostId, address: host.vtep.address, udp_port: host.vtep.udpPort },
        driver: WIRE_DRIVER[dataplane.name],
        underlay_mtu: underlayMtu,
        networks: agent.networks.all.map((worker) => toWireNetwork(worker, dataplane.devicesOf(worker.table))),
        ports: agent.devices.views.map(toWirePort),
        control_plane: agent.controlPlane,
        epoch: agent.epoch,
        operation_count: String(agent.operations + edge.operations()),
        start_time: agent.startTime.toISOString(),
      };
      return await Promise.resolve(state);
    }),

    plan: unary(async (request, { signal }) => {
      const plans = await Promise.all(workersFor(request.network_id).map(async (worker) => worker.plan(signal)));
      if (request.network_id !== '') return { operations: plans.flat().map(toWireOperation) };
      const shared = (await dataplane.planShared?.(signal)) ?? [];
      return { operations: [...shared, ...plans.flat(), ...(await edge.plan(signal))].map(toWireOperation) };
    }),

    apply: unary(async (request) => {
      const started = performance.now();
      const outcomes = await agent.networks.auditAll(workersFor(request.network_id), 'request');
      return { results: outcomes.map(toWireOutcome), elapsed_ms: performance.now() - started };
    }),

    getForwardingTable: unary(async (request, { signal }) => {
      const { table } = workerOf(request.network_id);
      const { rows } = await dataplane.observe(table, signal);
      const { tunnel } = dataplane.devicesOf(table);
      const answer: ForwardingTable = {
        network_id: table.networkId,
        revision: String(table.revision),
        fdb: [
          ...[...rows.fdb].map(([mac, to]) => ({ mac_address: mac, vtep_address: to.address, device_name: tunnel })),
          ...[...rows.bridgeFdb]
            .filter(([, device]) => device !== tunnel)
            .map(([mac, device]) => ({ mac_address: mac, vtep_address: '', device_name: device })),
        ],
        neighbours: [...rows.neighbours].map(([ip, mac]) => ({
          ip_address: ip,
          mac_address: mac,
          device_name: tunnel,
        })),
        flood: [...rows.flood.keys()].sort(),
        digest: await inTurns(digestOfRows(rows, table.manualFlood), signal),
      };
      return answer;
    }),

    listFloodDestinations: unary(async (request, { signal }) => ({
      destinations: await floodDestinations(workerOf(request.network_id), signal),
    })),

    addFloodDestination: unary(async (request, { signal }) => {
      const worker = workerOf(request.network_id);
      const address = parseUnicastIp('vtep_address', request.vtep_address);
      if (ipVersion(address) !== ipVersion(host.vtep.address)) {
        throw invalidField(
          'vtep_address',
          address,
          `is not of the address family of this host's VTEP ${host.vtep.address}`,
        );
      }
      if (address === host.vtep.address) throw invalidField('vtep_address', address, "is this host's own VTEP");
      await worker.pushAndWait({ kind: 'flood', address, present: true, cause: {} });
      const added = (await floodDestinations(worker, signal)).find(({ vtep_address }) => vtep_address === address);
      if (added === undefined) throw new DomainError('internal', 'FLOOD_NOT_ADDED', `${address} was not added`);
      return added;
    }),

    removeFloodDestination: unary(async (request) => {
      const worker = workerOf(request.network_id);
      const address = parseUnicastIp('vtep_address', request.vtep_address);
      if (!worker.table.manualFlood.has(address)) {
        if (worker.table.remoteVteps.has(address)) {
          throw new DomainError(
            'precondition',
            'FLOOD_DESTINATION_MANAGED',
            `${address} is in the flood list because host ${worker.table.remoteVteps.get(address)?.hostId ?? ''} has ports of the network`,
          );
        }
        throw new DomainError('not_found', 'FLOOD_DESTINATION_NOT_FOUND', `${address} was not added by hand`);
      }
      await worker.pushAndWait({ kind: 'flood', address, present: false, cause: {} });
      return {};
    }),

    attachPort: unary(async (request) => {
      const portId = parseUuid('port_id', request.port_id);
      const name = parseDeviceName('device_name', request.device_name);
      const link = agent.links.get(name);
      if (link === undefined) {
        throw new DomainError('not_found', 'DEVICE_NOT_FOUND', `this host has no device ${name}`, {
          details: { device: name },
        });
      }
      return { port: toWirePort(await agent.devices.attach(portId, name, link)) };
    }),

    detachPort: unary(async (request) => {
      await agent.devices.detach(parseUuid('port_id', request.port_id));
      return {};
    }),

    getPortSecurity: unary(async (request, { signal }) => {
      const portId = parseUuid('port_id', request.port_id);
      const { worker, port } = agent.networks.requirePort(portId);
      const counts = await agent.spoofed.count(portId, signal);
      return {
        port_id: portId,
        device_name: port.device,
        enabled: port.security.enabled,
        commands: dataplane.guardOf(worker.table, port).map(commandOf),
        spoofed_frames: port.security.enabled
          ? SPOOF_REASONS.map((reason) => ({ reason, frame_count: String(counts.get(reason) ?? 0) }))
          : [],
      };
    }),

    watchEvents: serverStream(async function* (request, { signal }): AsyncGenerator<Event> {
      for (const kind of request.kinds) {
        if (kind === EventKind.EVENT_KIND_UNSPECIFIED || !(kind in EventKind)) {
          throw invalidField('kinds', kind, 'is not a kind of event');
        }
      }
      const wanted = (event: HostEvent): boolean =>
        request.kinds.length === 0 || event.kind === 'lost' || request.kinds.includes(WIRE_EVENT[event.kind]);
      for await (const event of agent.events.watch(signal)) if (wanted(event)) yield toWireEvent(event);
    }),

    resync: unary(async (request) => {
      if (request.network_id !== '') parseUuid('network_id', request.network_id);
      const { networks, outcomes } = await agent.resync(request.network_id);
      return { network_count: networks, results: outcomes.map(toWireOutcome) };
    }),
  });
};

const toWirePort = (view: DeviceView): WireLocalPort => ({
  port_id: view.portId,
  device_name: view.device,
  network_id: view.networkId,
  mac_address: view.port?.mac ?? '',
  ip_addresses: [...(view.port?.ips ?? [])],
  binding_generation: String(view.port?.generation ?? 0n),
  plugged: view.port !== undefined,
  message: view.message,
});
