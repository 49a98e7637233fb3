import { parseIp } from '#platform/net/ip-address.ts';
import type { ForwardingEntry } from '#proto/weft/type/v1/forwarding.ts';
import { tapOf } from '../../bench/taps.ts';
import { inPlace } from '../../system/kernel.ts';
import { switchFlows, switchTables } from '../../system/switch-tables.ts';
import { difference } from './difference.ts';

const pairs = (map: ReadonlyMap<string, string>): readonly string[] =>
  [...map].map(([key, value]) => `${key} ${value}`);

/** What the flows of a network say of ports of their own host. */
interface Local {
  /** `MAC device`, of guests here. */
  readonly guests: readonly string[];
  /** Devices whose frames are the network's. */
  readonly from: readonly string[];
  /** Devices whose frames are held against what their port may send. */
  readonly checked: readonly string[];
  /** Devices that get copies of what is for all, of each list. */
  readonly copies: readonly (readonly string[])[];
  /** Flows from or to ports without a name. */
  readonly strays: readonly string[];
}

const IN_PORT = /in_port="?([^",\s]+)/;

const localOf = (flows: readonly string[]): Local => {
  const outputs = (flow: string): readonly string[] =>
    [...flow.matchAll(/output:"?([^",\s]+)"?/g)].map(([, device = '']) => device);
  const devices = (flow: string): readonly string[] => outputs(flow).filter((to) => !to.startsWith('vxlan-udp'));
  const found = (flow: string, pattern: RegExp): string => pattern.exec(flow)?.[1] ?? '';
  return {
    guests: flows
      .filter((flow) => flow.includes('table=unicast') && devices(flow).length > 0)
      .map((flow) => `${found(flow, /dl_dst=([0-9a-f:]{17})/)} ${devices(flow).join(' ')}`),
    from: flows
      .filter((flow) => flow.includes('table=classify'))
      .map((flow) => found(flow, IN_PORT))
      .filter((device) => device !== ''),
    checked: [
      ...new Set(flows.filter((flow) => flow.includes('table="anti_spoof"')).map((flow) => found(flow, IN_PORT))),
    ],
    copies: flows.filter((flow) => flow.includes('table=flood')).map(devices),
    strays: flows.filter((flow) => outputs(flow).some((to) => /^\d+$/.test(to)) || /in_port=\d/.test(flow)),
  };
};

/** What is not as it must be in a host's switch: see `exactWithin`. `taps` are those of all ports of the network. */
export const switchWrongs = async (
  { lab, host }: { readonly lab: string; readonly host: string },
  vni: number,
  entries: readonly ForwardingEntry[],
  taps: ReadonlySet<string>,
): Promise<readonly string[]> => {
  const local = entries.filter(({ vtep }) => vtep?.host_id === host);
  const remote = local.length === 0 ? [] : entries.filter(({ vtep }) => vtep?.host_id !== host);
  const own = local.map(({ port_id }) => tapOf(port_id));
  const { fdb, neighbours, flood } = await switchTables(lab, host, vni);
  const { guests, from, checked, copies, strays } = localOf(
    await switchFlows(lab, host, `cookie=0x77656674${vni.toString(16).padStart(8, '0')}/-1`),
  );
  const ports = (await inPlace({ lab, host }, ['ovs-vsctl', 'list-ports', 'br-int'])).split('\n');
  // The device of a port that is bound elsewhere stays: the source of a live migration goes on until its device goes.
  const counted = (devices: readonly string[]): readonly string[] =>
    devices.filter((device) => own.includes(device) || !taps.has(device));
  return [
    ...difference(
      `${host} fdb`,
      remote.map(({ mac_address, vtep }) => `${mac_address} ${vtep?.address ?? ''}`),
      pairs(fdb),
    ),
    ...difference(
      `${host} neighbours`,
      remote.flatMap(({ mac_address, ip_addresses }) =>
        ip_addresses.map((ip) => `${parseIp('ip', ip)} ${mac_address}`),
      ),
      pairs(neighbours),
    ),
    ...difference(`${host} flood`, [...new Set(remote.map(({ vtep }) => vtep?.address ?? ''))], flood),
    ...difference(
      `${host} guests`,
      local.map(({ mac_address, port_id }) => `${mac_address} ${tapOf(port_id)}`),
      guests,
    ),
    ...difference(`${host} from`, own, counted(from)),
    ...difference(`${host} checked`, own, counted(checked)),
    ...copies.flatMap((list) => difference(`${host} copies`, own, counted(list))),
    ...(copies.length === (local.length === 0 ? 0 : 2) ? [] : [`${host}: ${copies.length.toString()} flood lists`]),
    ...strays.map((flow) => `${host}: ${flow}`),
    ...difference(
      `${host} ports`,
      own,
      ports.filter((device) => own.includes(device)),
    ),
  ];
};
