import { VXLAN_OVERHEAD } from '#platform/net/mtu.ts';
import type { IpVersion } from '#platform/net/ip-address.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { PortBinding } from '../model/control-plane.ts';

/** What this host can do at most. */
export interface HostLimits {
  readonly hostId: string;
  readonly underlayMtu: number;
  readonly underlayVersion: IpVersion;
  readonly parseVni: (value: number) => Vni;
}

/** Why a port is not to be plugged anywhere, though its device is here; undefined when it is to be. */
export const idleReasonOf = ({ adminUp, hostId }: PortBinding): string | undefined => {
  if (!adminUp) return 'the port or its network is administratively down';
  return hostId === '' ? 'the port is bound to no host' : undefined;
};

/** Why this host cannot serve a port, as one sentence; undefined when it can. */
export const refusalOf = (binding: PortBinding, limits: HostLimits): string | undefined => {
  if (binding.networkType !== 'vxlan') {
    return `host ${limits.hostId} cannot serve networks of type ${binding.networkType}: it has no physical network mapped`;
  }
  return mtuRefusal(binding.mtu, limits);
};

/** Why this host's underlay cannot carry a network of that MTU; undefined when it can. */
export const mtuRefusal = (mtu: number, limits: HostLimits): string | undefined => {
  const overhead = VXLAN_OVERHEAD[limits.underlayVersion];
  if (mtu + overhead <= limits.underlayMtu) return undefined;
  return (
    `network MTU ${mtu.toString()} and ${overhead.toString()} bytes of VXLAN over IPv${limits.underlayVersion.toString()} ` +
    `need an underlay MTU of ${(mtu + overhead).toString()}, host ${limits.hostId} has ${limits.underlayMtu.toString()}`
  );
};
