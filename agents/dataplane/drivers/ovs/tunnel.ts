import type { HostIdentity, Vtep } from '../../model/intent.ts';

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

/** What to say of a datapath in user space whose VTEP's interface is in no bridge of its own. */
export const unreachedUnderlay = (device: string, { address }: Vtep): string =>
  `the datapath is in user space, and ${device}, which bears the VTEP address ${address}, is in no OVS bridge: ` +
  `nothing goes out through tunnels; put it into one and the address on that: ` +
  `ovs-vsctl add-br br-underlay -- set Bridge br-underlay datapath_type=netdev -- add-port br-underlay ${device}`;
