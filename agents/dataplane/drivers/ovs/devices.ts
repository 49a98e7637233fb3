import type { DeviceName } from '#platform/net/names.ts';
import type { NetworkDevices } from '../../model/host.ts';

/** The flow-based VXLAN port that sends to one UDP port of all VTEPs. */
export const tunnelName = (udpPort: number): DeviceName => `vxlan-udp${udpPort.toString()}` as DeviceName;

const TUNNEL = /^vxlan-udp(?<udpPort>[1-9][0-9]{0,4})$/;

/** The UDP port of such a VXLAN port; undefined for other devices. */
export const udpPortOf = (device: string): number | undefined => {
  const udpPort = TUNNEL.exec(device)?.groups?.['udpPort'];
  return udpPort === undefined ? undefined : Number(udpPort);
};

/** The bridge that the agent makes of an interface, for a physical network. */
export const providerBridgeName = (physicalNetwork: string): string => `br-${physicalNetwork}`;

/** The two ends of the cable between the integration bridge and another, as Neutron names them. */
export const patchNames = (bridge: string): { readonly inner: string; readonly outer: string } => ({
  inner: `int-${bridge}`,
  outer: `phy-${bridge}`,
});

/** All networks of a host share its integration bridge and its tunnel. */
export const sharedDevices = (bridge: string, udpPort: number): NetworkDevices => ({
  bridge,
  tunnel: tunnelName(udpPort),
});
