import { VXLAN_OVERHEAD } from '#platform/net/mtu.ts';
import type { IpVersion } from '#platform/net/ip-address.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { NetworkDescription, PortBinding } from '../model/control-plane.ts';

/** What this host can do at most. */
export interface HostLimits {
  readonly hostId: string;
  readonly underlayMtu: number;
  readonly underlayVersion: IpVersion;
  readonly parseVni: (value: number) => Vni;
  /** By physical network, the device that leads to it. */
  readonly mappings: ReadonlyMap<string, string>;
}

/** Why a port is not to be plugged anywhere, though its device is here; undefined when it is to be. */
export const idleReasonOf = ({ adminUp, hostId }: PortBinding): string | undefined => {
  if (!adminUp) return 'the port or its network is administratively down';
  return hostId === '' ? 'the port is bound to no host' : undefined;
};

/** Why this host cannot serve a network, as one sentence; undefined when nothing that it was told speaks against it. */
export const refusalOf = (network: NetworkDescription, limits: HostLimits): string | undefined => {
  const { networkType, physicalNetwork, mtu } = network;
  if (networkType === 'vxlan') return mtuRefusal(mtu, limits);
  if (limits.mappings.has(physicalNetwork)) return undefined;
  const known = [...limits.mappings.keys()];
  return (
    `host ${limits.hostId} has no way to physical network ${physicalNetwork}: its agent's --bridge-mappings ` +
    `${known.length === 0 ? 'is empty' : `has ${known.join(', ')}`}; it needs ${physicalNetwork}:DEVICE`
  );
};

/** Why this host's underlay cannot carry a network of that MTU; undefined when it can. */
const mtuRefusal = (mtu: number, limits: HostLimits): string | undefined => {
  const overhead = VXLAN_OVERHEAD[limits.underlayVersion];
  if (mtu + overhead <= limits.underlayMtu) return undefined;
  return (
    `network MTU ${mtu.toString()} and ${overhead.toString()} bytes of VXLAN over IPv${limits.underlayVersion.toString()} ` +
    `need an underlay MTU of ${(mtu + overhead).toString()}, host ${limits.hostId} has ${limits.underlayMtu.toString()}`
  );
};
