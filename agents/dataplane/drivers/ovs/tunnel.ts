import type { HostIdentity } from '../../model/intent.ts';

/**
 * Options of the VXLAN port: flows say where to and with which VNI. Its own address always, so that peers know the packets
 * by it; its UDP port always, so that it is that of the VTEP and not of a default.
 */
export const tunnelOptions = ({ vtep }: HostIdentity, udpPort: number): Readonly<Record<string, string>> => ({
  remote_ip: 'flow',
  key: 'flow',
  local_ip: vtep.address,
  dst_port: udpPort.toString(),
});
