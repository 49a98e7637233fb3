import { notFound } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { parseHostId, parseUuid } from '#platform/net/names.ts';
import { serverStream, service, unary } from '#platform/rpc/handlers.ts';
import { type RpcServer, rpcServer } from '#platform/rpc/server.ts';
import { ChangeKind, TopologyEvent } from '#proto/weft/event/v1/event.ts';
import { Host, HostStatus, Network, Port, TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { TopologyChange } from '../app/topology-events.ts';
import type * as domain from '../domain/entry.ts';
import type { FakeTopology } from './fake-topology.ts';

/** A fake topology's answers over gRPC; everything in one page. */
export const topologyServer = (topology: FakeTopology, listen: string): RpcServer => {
  const refused = unary(() => Promise.reject(new Error('the fake does not do that')));
  return rpcServer({
    name: 'fake topology',
    listen: [listen],
    log: nullLog,
    services: [
      service(TopologyServiceService, {
        registerHost: refused,
        renewHostLease: refused,
        createHost: refused,
        updateHost: refused,
        deleteHost: refused,
        createNetwork: refused,
        updateNetwork: refused,
        deleteNetwork: refused,
        createPort: refused,
        updatePort: refused,
        deletePort: refused,
        reportPortUp: refused,
        reportPortDown: refused,
        reportPortFailed: refused,
        watch: serverStream(async function* () {
          yield await Promise.reject(new Error('the fake does not do that'));
        }),
        getHost: unary(async ({ id }) => {
          const host = await topology.host(parseHostId('id', id));
          if (host === undefined) throw notFound('host', id);
          return hostMessage(host);
        }),
        getNetwork: unary(async ({ id }) => {
          const network = await topology.network(parseUuid('id', id));
          if (network === undefined) throw notFound('network', id);
          return networkMessage(network);
        }),
        getPort: unary(async ({ id }) => {
          const port = await topology.port(parseUuid('id', id));
          if (port === undefined) throw notFound('port', id);
          return portMessage(port);
        }),
        listHosts: unary(async () => ({ hosts: (await all(topology.hosts())).map(hostMessage), next_page_token: '' })),
        listNetworks: unary(async () => ({
          networks: (await all(topology.networks())).map(networkMessage),
          next_page_token: '',
        })),
        listPorts: unary(async ({ binding_host_id: host }) => ({
          ports: (await all(topology.ports(host === '' ? undefined : parseHostId('binding_host_id', host)))).map(
            portMessage,
          ),
          next_page_token: '',
        })),
      }),
    ],
  });
};

/** A change as topology publishes it. */
export const eventOf = (change: TopologyChange, cause = 'Test', time = Date.now()) => {
  const { kind, gone } = change;
  const id = kind === 'port' ? change.port.id : kind === 'host' ? change.host.id : change.network.id;
  const event = TopologyEvent.fromPartial({
    kind: gone ? ChangeKind.CHANGE_KIND_DELETED : ChangeKind.CHANGE_KIND_UPDATED,
    time: new Date(time).toISOString(),
    cause,
    resource:
      kind === 'port'
        ? { $case: 'port', value: portMessage(change.port) }
        : kind === 'host'
          ? { $case: 'host', value: hostMessage(change.host) }
          : { $case: 'network', value: networkMessage(change.network) },
    ...(kind === 'port' && change.vtep !== undefined && { vtep: vtepMessage(change.vtep) }),
  });
  return { subject: `weft.topology.${kind}.${id}`, payload: TopologyEvent.encode(event).finish() };
};

const vtepMessage = ({ hostId, address, udpPort }: domain.Vtep) => ({ host_id: hostId, address, udp_port: udpPort });

const hostMessage = ({ id, revision, vtep, down }: domain.Host): Host =>
  Host.fromPartial({
    id,
    vtep_address: vtep?.address ?? '',
    udp_port: vtep?.udpPort ?? 0,
    status: down ? HostStatus.HOST_STATUS_DOWN : HostStatus.HOST_STATUS_ACTIVE,
    revision_number: revision.toString(),
  });

const networkMessage = ({ id, revision, overlay }: domain.Network): Network =>
  Network.fromPartial({
    id,
    network_type: overlay ? NetworkType.NETWORK_TYPE_VXLAN : NetworkType.NETWORK_TYPE_VLAN,
    revision_number: revision.toString(),
  });

const portMessage = (port: domain.Port): Port =>
  Port.fromPartial({
    id: port.id,
    network_id: port.networkId,
    mac_address: port.mac,
    fixed_ips: port.ips.map((ip_address) => ({ subnet_id: '', ip_address })),
    admin_state_up: port.adminStateUp,
    binding_host_id: port.boundTo ?? '',
    binding_generation: port.generation.toString(),
    revision_number: port.revision.toString(),
  });

const all = async <T>(pages: AsyncIterable<readonly T[]>): Promise<readonly T[]> => {
  const items: T[] = [];
  for await (const page of pages) items.push(...page);
  return items;
};
