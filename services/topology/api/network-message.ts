import { type Mtu, parseMtu } from '#platform/net/mtu.ts';
import { parseLabels, parseName } from '#platform/net/names.ts';
import { checkMask } from '#platform/store/request-mask.ts';
import { etagOf } from '#platform/store/etag.ts';
import { type Network as NetworkMessage, Status } from '#proto/weft/topology/v1/topology.ts';
import type { NetworkDraft } from '../app/create-network.ts';
import { checkSegment, type Network, type NetworkSettings } from '../domain/network.ts';
import { optional, timestamp } from './fields.ts';
import { networkTypeMessage, readNetworkType } from './names.ts';

export const networkMessage = (network: Network): NetworkMessage => ({
  id: network.id,
  name: network.name,
  network_type: networkTypeMessage(network.type),
  segmentation_id: network.segmentationId,
  physical_network: network.physicalNetwork,
  mtu: network.mtu,
  admin_state_up: network.adminStateUp,
  auto_ports: network.autoPorts,
  port_security_enabled: network.portSecurityEnabled,
  labels: { ...network.labels },
  shared: network.shared,
  external: network.external,
  status: network.adminStateUp ? Status.STATUS_ACTIVE : Status.STATUS_DOWN,
  etag: etagOf(network.revision),
  revision_number: network.revision.toString(),
  create_time: timestamp(network.createdAt),
  update_time: timestamp(network.updatedAt),
});

/** What a physical network carries where nobody says otherwise (IEEE 802.3). */
const ETHERNET_MTU = parseMtu('mtu', 1_500);

/** Throws `invalid` for the first field that is not what it should be. */
export const readNetworkDraft = (message: NetworkMessage, id: NetworkDraft['id'], defaultMtu: Mtu): NetworkDraft => {
  const segment = {
    type: readNetworkType('network.network_type', message.network_type),
    segmentationId: message.segmentation_id,
    physicalNetwork: message.physical_network,
  };
  checkSegment(segment);
  return {
    id,
    ...segment,
    name: parseName('network.name', message.name),
    mtu: optional(parseMtu, 'network.mtu', message.mtu) ?? (segment.type === 'vxlan' ? defaultMtu : ETHERNET_MTU),
    adminStateUp: message.admin_state_up ?? true,
    autoPorts: message.auto_ports,
    portSecurityEnabled: message.port_security_enabled ?? true,
    labels: parseLabels('network.labels', message.labels),
    shared: message.shared ?? false,
    external: message.external ?? false,
  };
};

type Setter = (message: NetworkMessage) => Partial<NetworkSettings>;

/** What is unset where 0 or false would be a value stays as it is. */
const SETTERS = {
  name: ({ name }) => ({ name: parseName('network.name', name) }),
  admin_state_up: ({ admin_state_up: up }) => (up === undefined ? {} : { adminStateUp: up }),
  auto_ports: ({ auto_ports: autoPorts }) => ({ autoPorts }),
  port_security_enabled: ({ port_security_enabled: on }) => (on === undefined ? {} : { portSecurityEnabled: on }),
  mtu: ({ mtu }) => (mtu === 0 ? {} : { mtu: parseMtu('network.mtu', mtu) }),
  shared: ({ shared }) => (shared === undefined ? {} : { shared }),
  external: ({ external }) => (external === undefined ? {} : { external }),
  labels: ({ labels }) => ({ labels: parseLabels('network.labels', labels) }),
} as const satisfies Record<string, Setter>;

const FIELDS = Object.keys(SETTERS) as readonly (keyof typeof SETTERS)[];

/** The settings that an update names. Throws `invalid`. */
export const readNetworkSettings = (message: NetworkMessage, mask: readonly string[]): Partial<NetworkSettings> => {
  const settings: Partial<NetworkSettings>[] = checkMask(mask, FIELDS, 'network').map((field) =>
    SETTERS[field](message),
  );
  return Object.assign({}, ...settings) as Partial<NetworkSettings>;
};
