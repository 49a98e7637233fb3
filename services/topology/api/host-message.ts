import { invalidField } from '#platform/errors/domain-error.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseDeviceName, parseHostId, parseLabels, parseName, parsePhysicalNetwork } from '#platform/net/names.ts';
import { parseUdpPort, VXLAN_PORT } from '#platform/net/udp-port.ts';
import { etagOf } from '#platform/store/etag.ts';
import type { HostRole as RoleMessage, Host as HostMessage } from '#proto/weft/topology/v1/topology.ts';
import type { Vtep as VtepMessage } from '#proto/weft/type/v1/forwarding.ts';
import type { HostView } from '../app/register-host.ts';
import type { BridgeMappings, HostRole, HostSpec, Vtep } from '../domain/host.ts';
import { optional, timestamp } from './fields.ts';
import { driverMessage, hostStatusMessage, readDriver, readRole, roleMessage } from './names.ts';

export const hostMessage = ({ host, lease }: HostView): HostMessage => ({
  id: host.id,
  vtep_address: host.vtepAddress,
  udp_port: host.udpPort,
  driver: driverMessage(host.driver),
  underlay_mtu: host.underlayMtu ?? 0,
  labels: { ...host.labels },
  status: hostStatusMessage(host.alive),
  ...(lease === undefined ? {} : { lease_expire_time: timestamp(lease) }),
  agent_version: host.agentVersion,
  roles: host.roles.map(roleMessage),
  bridge_mappings: { ...host.bridgeMappings },
  etag: etagOf(host.revision),
  revision_number: host.revision.toString(),
  create_time: timestamp(host.createdAt),
  update_time: timestamp(host.updatedAt),
});

/** Throws `invalid` for the first field that is not what it should be. */
export const readHostSpec = (message: HostMessage): HostSpec => {
  const underlayMtu = optional(parseMtu, 'host.underlay_mtu', message.underlay_mtu);
  return {
    id: parseHostId('host.id', message.id),
    vtepAddress: parseUnicastIp('host.vtep_address', message.vtep_address),
    udpPort: optional(parseUdpPort, 'host.udp_port', message.udp_port) ?? VXLAN_PORT,
    driver: readDriver('host.driver', message.driver),
    ...(underlayMtu === undefined ? {} : { underlayMtu }),
    labels: parseLabels('host.labels', message.labels),
    agentVersion: parseName('host.agent_version', message.agent_version),
    roles: readRoles('host.roles', message.roles),
    bridgeMappings: readMappings('host.bridge_mappings', message.bridge_mappings),
  };
};

const readRoles = (field: string, messages: readonly RoleMessage[]): readonly HostRole[] => [
  ...new Set(messages.map((message, at) => readRole(`${field}[${at.toString()}]`, message))),
];

/** More physical networks than a host has interfaces. */
const MOST_MAPPINGS = 64;

const readMappings = (field: string, message: Readonly<Record<string, string>>): BridgeMappings => {
  const entries = Object.entries(message).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length > MOST_MAPPINGS) {
    throw invalidField(field, entries.length, `are more than ${MOST_MAPPINGS.toString()}`);
  }
  return Object.fromEntries(
    entries.map(([physicalNetwork, device]) => [
      parsePhysicalNetwork(field, physicalNetwork),
      parseDeviceName(`${field}[${physicalNetwork}]`, device),
    ]),
  );
};

export const vtepMessage = ({ hostId, address, udpPort }: Vtep): VtepMessage => ({
  host_id: hostId,
  address,
  udp_port: udpPort,
});
