import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseHostId } from '#platform/net/names.ts';
import { parseUdpPort, VXLAN_PORT } from '#platform/net/udp-port.ts';
import type { Vtep } from './entry.ts';

/** Reads a VTEP; UDP port 0 means the usual one. `field`: where its parts are. Throws `invalid`. */
export const parseVtep = (field: string, hostId: string, address: string, udpPort: number): Vtep => ({
  hostId: parseHostId(`${field}.host_id`, hostId),
  address: parseUnicastIp(`${field}.address`, address),
  udpPort: udpPort === 0 ? VXLAN_PORT : parseUdpPort(`${field}.udp_port`, udpPort),
});
