import { Driver, NetworkType } from '#proto/weft/type/v1/network.ts';
import { HostRole, type Network, type TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseUuid } from '#platform/net/names.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import type {
  DeviceReport,
  NetworkDescription,
  NetworkDirectory,
  PortBinding,
  PortRegistry,
} from '../model/control-plane.ts';
import type { Vtep } from '../model/intent.ts';
import { portSecurity } from './port-security.ts';

/** What a host tells topology of itself. */
export interface Registration {
  readonly vtep: Vtep;
  readonly driver: 'linuxbridge' | 'ovs';
  readonly underlayMtu: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly leaseMs: number;
  readonly agentVersion: string;
  readonly roles: readonly 'network'[];
  /** By physical network, the interface or bridge that leads to it. */
  readonly bridgeMappings: Readonly<Record<string, string>>;
}

const DRIVERS = { linuxbridge: Driver.DRIVER_LINUXBRIDGE, ovs: Driver.DRIVER_OVS } as const;

const ROLES = { network: HostRole.HOST_ROLE_NETWORK } as const;

const TYPES: Readonly<Record<string, PortBinding['networkType']>> = {
  [NetworkType.NETWORK_TYPE_VXLAN]: 'vxlan',
  [NetworkType.NETWORK_TYPE_FLAT]: 'flat',
  [NetworkType.NETWORK_TYPE_VLAN]: 'vlan',
};

/** topology over gRPC. */
export class TopologyRegistry implements PortRegistry, NetworkDirectory {
  readonly #client: RpcClient<typeof TopologyServiceService>;
  readonly #registration: Registration;

  constructor(client: RpcClient<typeof TopologyServiceService>, registration: Registration) {
    this.#client = client;
    this.#registration = registration;
  }

  async register(signal: AbortSignal): Promise<void> {
    const { vtep, driver, underlayMtu, labels, agentVersion, roles, bridgeMappings } = this.#registration;
    const host = {
      ...EMPTY_HOST,
      id: vtep.hostId,
      vtep_address: vtep.address,
      udp_port: vtep.udpPort,
      driver: DRIVERS[driver],
      underlay_mtu: underlayMtu,
      labels: { ...labels },
      agent_version: agentVersion,
      roles: roles.map((role) => ROLES[role]),
      bridge_mappings: { ...bridgeMappings },
    };
    await this.#client.registerHost({ host, lease: this.#lease }, { signal, timeoutMs: 5_000 });
  }

  async renew(signal: AbortSignal): Promise<void> {
    const request = { host_id: this.#registration.vtep.hostId, lease: this.#lease };
    await this.#client.renewHostLease(request, { signal, timeoutMs: 5_000 });
  }

  async portUp(report: DeviceReport, signal: AbortSignal): Promise<PortBinding> {
    const { port, network } = await this.#client.reportPortUp(
      {
        host_id: this.#registration.vtep.hostId,
        device_name: report.device,
        port_id: report.portId ?? '',
        mac_address: report.mac ?? '',
        network_id: report.networkId ?? '',
        vm_id: report.vmId ?? '',
      },
      { signal },
    );
    if (port === undefined || network === undefined) {
      throw new DomainError('internal', 'INCOMPLETE_ANSWER', 'topology answered ReportPortUp without port or network');
    }
    return {
      portId: parseUuid('port.id', port.id),
      networkId: parseUuid('network.id', network.id),
      mac: parseMac('port.mac_address', port.mac_address),
      ips: port.fixed_ips.map(({ ip_address }) => parseIp('port.fixed_ips.ip_address', ip_address)),
      generation: BigInt(port.binding_generation),
      security: portSecurity({
        enabled: port.port_security_enabled ?? network.port_security_enabled ?? true,
        mac_address: port.mac_address,
        allowed_address_pairs: port.allowed_address_pairs,
        revision_number: port.revision_number,
      }),
      hostId: port.binding_host_id,
      ...factsOf(network),
      adminUp: (port.admin_state_up ?? true) && (network.admin_state_up ?? true),
    };
  }

  async network(networkId: string, signal: AbortSignal): Promise<NetworkDescription> {
    return factsOf(await this.#client.getNetwork({ id: networkId }, { signal, timeoutMs: 5_000 }));
  }

  async portDown(port: { portId: string; generation: bigint; device: string }, signal: AbortSignal): Promise<void> {
    await this.#client.reportPortDown(
      {
        host_id: this.#registration.vtep.hostId,
        port_id: port.portId,
        binding_generation: String(port.generation),
        device_name: port.device,
      },
      { signal },
    );
  }

  async portFailed(port: { portId: string; generation: bigint; message: string }, signal: AbortSignal): Promise<void> {
    await this.#client.reportPortFailed(
      {
        host_id: this.#registration.vtep.hostId,
        port_id: port.portId,
        binding_generation: String(port.generation),
        message: port.message,
      },
      { signal },
    );
  }

  get #lease(): { seconds: string; nanos: number } {
    const { leaseMs } = this.#registration;
    return { seconds: String(Math.floor(leaseMs / 1000)), nanos: (leaseMs % 1000) * 1_000_000 };
  }
}

const factsOf = (network: Network): NetworkDescription => {
  const networkType = TYPES[network.network_type];
  if (networkType === undefined) {
    throw new DomainError(
      'internal',
      'UNKNOWN_NETWORK_TYPE',
      `network ${network.id} is of type ${network.network_type}`,
    );
  }
  const mtu = parseMtu('network.mtu', network.mtu);
  const { segmentation_id: segmentationId, physical_network: physicalNetwork } = network;
  return { networkType, segmentationId, physicalNetwork, mtu };
};

const EMPTY_HOST = {
  status: 'HOST_STATUS_UNSPECIFIED',
  lease_expire_time: undefined,
  etag: '',
  revision_number: '0',
  create_time: undefined,
  update_time: undefined,
} as const;
