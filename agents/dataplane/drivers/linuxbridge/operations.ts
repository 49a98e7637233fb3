import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { NetworkFacts } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import type { Destination } from '../../model/rows.ts';
import type { Holding } from '../../plan/claims.ts';
import { whereabouts } from '../../plan/reasons.ts';
import { devicesOf } from './devices.ts';

/** The MAC address under which the VXLAN device keeps where to send what it has no row for. */
export const FLOOD_MAC = '00:00:00:00:00:00';

/** The steps about one network's rows; `ownPort` is the UDP port of its VXLAN device. */
export interface RowOperations {
  /** Row of the VXLAN device and, since the bridge must not flood what it knows, of the bridge. Also moves a row. */
  replaceFdb(mac: MacAddress, to: Destination, holding: Holding): Operation;
  /**
   * The VXLAN device's row of `replaceFdb` alone, to be written ahead of it where frames flow: the kernel writes the bridge's
   * first (rtnl_fdb_add), and a frame in between would find no way on.
   */
  replaceFdbAhead(mac: MacAddress, to: Destination, holding: Holding): Operation;
  /** Row of the bridge towards a local device; takes the bridge's row over from wherever it pointed. */
  replaceBridgeFdb(mac: MacAddress, device: string, holding: Holding): Operation;
  replaceNeighbour(ip: IpAddress, mac: MacAddress, holding: Holding): Operation;
  appendFlood(to: Destination, reason: string): Operation;
  deleteFdb(mac: MacAddress, reason: string, portId?: string): Operation;
  deleteBridgeFdb(mac: MacAddress, device: string, reason: string, portId?: string): Operation;
  deleteNeighbour(ip: IpAddress, reason: string, portId?: string): Operation;
  deleteFlood(to: Destination, reason: string): Operation;
}

/**
 * Bridge rows are `static`: `permanent` would make the address one of the host's own. The two rows of an address go in one
 * line when written, and in two when deleted, since the kernel stops at the first that is not there.
 */
export const rowOperations = (network: NetworkFacts, ownPort: number): RowOperations => {
  const { networkId } = network;
  const { vxlan } = devicesOf(network);
  const port = ({ udpPort }: Destination): readonly string[] =>
    udpPort === ownPort ? [] : ['port', udpPort.toString()];
  // Shared by all steps about one device: there may be tens of thousands.
  const needsOf = new Map<string, readonly string[]>();
  const needing = (device: string): readonly string[] => {
    const known = needsOf.get(device) ?? [linkKey(device)];
    needsOf.set(device, known);
    return known;
  };
  const step = (
    kind: string,
    key: string,
    argv: readonly string[],
    reason: string,
    needs: string,
    portId?: string,
  ): Operation => ({
    kind,
    key: `${key}@${networkId}`,
    argv,
    reason,
    networkId,
    needs: needing(needs),
    ...(portId !== undefined && { portId }),
  });
  return {
    replaceFdb: (mac, to, holding) =>
      step(
        'replace-fdb',
        `fdb:${mac}`,
        ['bridge', 'fdb', 'replace', mac, 'dev', vxlan, 'dst', to.address, ...port(to), 'self', 'master', 'static'],
        whereabouts(holding),
        vxlan,
        holding.portId,
      ),
    replaceFdbAhead: (mac, to, holding) =>
      step(
        'replace-fdb',
        `fdb:${mac}`,
        ['bridge', 'fdb', 'replace', mac, 'dev', vxlan, 'dst', to.address, ...port(to), 'self', 'static'],
        `before the bridge sends frames there: ${whereabouts(holding)}`,
        vxlan,
        holding.portId,
      ),
    replaceBridgeFdb: (mac, device, holding) =>
      step(
        'replace-bridge-fdb',
        `fdb:${mac}`,
        ['bridge', 'fdb', 'replace', mac, 'dev', device, 'master', 'static'],
        whereabouts(holding),
        device,
        holding.portId,
      ),
    replaceNeighbour: (ip, mac, holding) =>
      step(
        'replace-neighbour',
        `neighbour:${ip}`,
        ['ip', 'neigh', 'replace', ip, 'lladdr', mac, 'nud', 'permanent', 'dev', vxlan],
        `${ip} is an address of port ${holding.portId}`,
        vxlan,
        holding.portId,
      ),
    appendFlood: (to, reason) =>
      step(
        'append-flood',
        `flood:${to.address}`,
        ['bridge', 'fdb', 'append', FLOOD_MAC, 'dev', vxlan, 'dst', to.address, ...port(to), 'self', 'permanent'],
        reason,
        vxlan,
      ),
    deleteFdb: (mac, reason, portId) =>
      step('delete-fdb', `fdb:${mac}`, ['bridge', 'fdb', 'del', mac, 'dev', vxlan, 'self'], reason, vxlan, portId),
    deleteBridgeFdb: (mac, device, reason, portId) =>
      step(
        'delete-bridge-fdb',
        `fdb:${mac}`,
        ['bridge', 'fdb', 'del', mac, 'dev', device, 'master'],
        reason,
        device,
        portId,
      ),
    deleteNeighbour: (ip, reason, portId) =>
      step('delete-neighbour', `neighbour:${ip}`, ['ip', 'neigh', 'del', ip, 'dev', vxlan], reason, vxlan, portId),
    deleteFlood: (to, reason) =>
      step(
        'delete-flood',
        `flood:${to.address}`,
        ['bridge', 'fdb', 'del', FLOOD_MAC, 'dev', vxlan, 'dst', to.address, ...port(to), 'self'],
        reason,
        vxlan,
      ),
  };
};

/** The key of all steps about one device. */
export const linkKey = (device: string): string => `link:${device}`;
