import { controlNamespace, gatewayNamespace, hostNamespace } from './names.ts';
import { GATEWAY_DEVICE, hasGateway, PROVIDER_BRIDGE, PROVIDER_DEVICE, PROVIDER_MTU } from './provider.ts';
import type { LabRecord } from './record.ts';
import {
  CONTROL_ADDRESS,
  MANAGEMENT_BRIDGE,
  MANAGEMENT_DEVICE,
  MANAGEMENT_PREFIX,
  UNDERLAY_BRIDGE,
  UNDERLAY_DEVICE,
} from './topology.ts';

/** Lines of `ip -batch`, for the underlay's namespace: the bridges, and a cable from each to every host. */
export const underlayLines = (lab: LabRecord): readonly string[] => {
  const mtu = lab.mtu.toString();
  return [
    bridge(UNDERLAY_BRIDGE, mtu),
    bridge(MANAGEMENT_BRIDGE, '1500'),
    cable('m-control', MANAGEMENT_BRIDGE, MANAGEMENT_DEVICE, controlNamespace(lab.name), '1500'),
    ...lab.hosts.flatMap((host) => [
      cable(`u-${host.name}`, UNDERLAY_BRIDGE, UNDERLAY_DEVICE, hostNamespace(lab.name, host.name), mtu),
      cable(`m-${host.name}`, MANAGEMENT_BRIDGE, MANAGEMENT_DEVICE, hostNamespace(lab.name, host.name), '1500'),
    ]),
    ...(lab.physicalNetwork === undefined ? [] : providerLines(lab)),
  ];
};

/** The provider's wire, with a cable to every host and to the gateway. */
const providerLines = (lab: LabRecord): readonly string[] => {
  const mtu = PROVIDER_MTU.toString();
  const gateway = cable('p-gateway', PROVIDER_BRIDGE, GATEWAY_DEVICE, gatewayNamespace(lab.name), mtu);
  return [
    bridge(PROVIDER_BRIDGE, mtu),
    ...(hasGateway(lab) ? [gateway] : []),
    ...lab.hosts.map((host) =>
      cable(`p-${host.name}`, PROVIDER_BRIDGE, PROVIDER_DEVICE, hostNamespace(lab.name, host.name), mtu),
    ),
  ];
};

// Forwards from the first frame on, and floods multicast: IPv6's neighbour discovery needs no querier then.
const bridge = (name: string, mtu: string): string =>
  `link add name ${name} mtu ${mtu} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0`;

const cable = (near: string, into: string, far: string, namespace: string, mtu: string): string =>
  `link add name ${near} mtu ${mtu} master ${into} up type veth peer name ${far} mtu ${mtu} netns ${namespace}`;

/** Lines of `ip -batch`, for the control plane's namespace. */
export const controlAddressLines: readonly string[] = [
  'link set dev lo up',
  `link set dev ${MANAGEMENT_DEVICE} up`,
  `address add ${CONTROL_ADDRESS}/${MANAGEMENT_PREFIX.toString()} dev ${MANAGEMENT_DEVICE}`,
];
