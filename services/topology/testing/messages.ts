import { Host, Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import type { TopologyClient } from './stage.ts';

/** How a mutation is asked for when nothing is special about it. */
export const plainly = { request_id: '', validate_only: false } as const;

export const hostNamed = (id: string, vtep: string): Host =>
  Host.fromPartial({ id, vtep_address: vtep, driver: Driver.DRIVER_LINUXBRIDGE, underlay_mtu: 1_500 });

export const register = async (topology: TopologyClient, id: string, vtep: string): Promise<Host | undefined> =>
  (await topology.registerHost({ host: hostNamed(id, vtep) })).host;

export const makeNetwork = async (topology: TopologyClient, rest: Partial<Network> = {}): Promise<Network> =>
  await topology.createNetwork({ network: Network.fromPartial(rest), ...plainly });

export const makePort = async (topology: TopologyClient, networkId: string, rest: Partial<Port> = {}): Promise<Port> =>
  await topology.createPort({ port: Port.fromPartial({ ...rest, network_id: networkId }), ...plainly });

/** The report of a tap that bears the port's id. */
export const tapReport = (hostId: string, portId: string) => ({
  host_id: hostId,
  device_name: `tap${portId.slice(0, 11)}`,
  port_id: '',
  mac_address: '',
  network_id: '',
  vm_id: '',
});
