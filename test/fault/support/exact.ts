import { parseIp } from '#platform/net/ip-address.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { ForwardingEntry } from '#proto/weft/type/v1/forwarding.ts';
import { tapOf } from '../../bench/taps.ts';
import { inPlace, kernelTables } from '../../system/kernel.ts';
import type { LabWeft } from '../../system/lab-weft.ts';
import { difference } from './difference.ts';
import { switchWrongs } from './exact-switch.ts';
import { allPages } from './pages.ts';

/** All ports of a network, as topology has them. */
export const portsOf = async (weft: LabWeft, networkId: string): Promise<readonly Port[]> => {
  const topology = await weft.connections.topology();
  const filter = { network_id: networkId, binding_host_id: '', name: '' };
  return (await allPages(async (page) => topology.listPorts({ ...page, ...filter }))).flatMap(({ ports }) => ports);
};

/** The table of a network, as l2pop has it. */
const entriesOf = async (weft: LabWeft, networkId: string): Promise<readonly ForwardingEntry[]> => {
  const l2pop = await weft.connections.l2pop();
  const pages = await allPages(async (page) => l2pop.listForwardingEntries({ ...page, network_id: networkId }));
  return pages.flatMap(({ entries }) => entries);
};

/**
 * What is not as it must be: each bound port an entry of l2pop and no other entries; on every host that has ports of the
 * network exactly the rows of the others, and its own taps in the bridge; on every other host no device of the network.
 */
const wrongs = async (weft: LabWeft, network: Network): Promise<readonly string[]> => {
  const known = await portsOf(weft, network.id);
  const ports = known.filter(({ binding_host_id }) => binding_host_id !== '');
  const entries = await entriesOf(weft, network.id);
  const placed = ports.map(
    (port) => `${port.id} ${port.mac_address} ${port.binding_host_id} g${port.binding_generation}`,
  );
  const told = entries.map(
    (entry) => `${entry.port_id} ${entry.mac_address} ${entry.vtep?.host_id ?? ''} g${entry.generation}`,
  );
  const found = [...difference('l2pop', placed, told)];
  const taps = new Set(known.map(({ id }) => tapOf(id)));
  for (const { name: host, driver } of weft.lab.hosts)
    found.push(
      ...(driver === 'ovs'
        ? await switchWrongs({ lab: weft.name, host }, network.segmentation_id, entries, taps)
        : await hostWrongs(weft, network, host, entries, taps)),
    );
  return found;
};

const hostWrongs = async (
  weft: LabWeft,
  network: Network,
  host: string,
  entries: readonly ForwardingEntry[],
  taps: ReadonlySet<string>,
): Promise<readonly string[]> => {
  const bridge = `brq${network.id.slice(0, 11)}`;
  const vxlan = `vxlan-${network.segmentation_id.toString()}`;
  const links = (await inPlace({ lab: weft.name, host }, ['ip', '-o', 'link', 'show'])).split('\n');
  const has = (device: string): boolean => links.some((line) => line.includes(` ${device}:`));
  const local = entries.filter(({ vtep }) => vtep?.host_id === host);
  if (local.length === 0)
    return [bridge, vxlan].filter(has).map((device) => `${host}: ${device} of a network without ports here`);
  if (!has(vxlan)) return [`${host}: no ${vxlan}`];
  const remote = entries.filter(({ vtep }) => vtep?.host_id !== host);
  const { fdb, neighbours, flood } = await kernelTables(weft.name, host, vxlan);
  const own = [vxlan, ...local.map(({ port_id }) => tapOf(port_id))];
  // The device of a port that is bound elsewhere stays: the source of a live migration goes on until its device goes.
  const inBridge = links
    .filter((line) => line.includes(`master ${bridge} `))
    .map((line) => line.split(': ')[1]?.split('@')[0] ?? '');
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
      `${host} bridge`,
      own,
      inBridge.filter((device) => own.includes(device) || !taps.has(device)),
    ),
  ];
};

const pairs = (map: ReadonlyMap<string, string>): readonly string[] =>
  [...map].map(([key, value]) => `${key} ${value}`);

/** Resolves with the milliseconds it took until record, table and kernels agree exactly; throws what differs after `withinMs`. */
export const exactWithin = async (weft: LabWeft, network: Network, withinMs: number): Promise<number> => {
  const begun = performance.now();
  let last: readonly string[] = ['never looked'];
  try {
    await eventually(
      'all tables are exact',
      async () => {
        last = await wrongs(weft, network).catch((error: unknown) => [String(error)]);
        return last.length === 0;
      },
      withinMs,
    );
  } catch (cause) {
    const some = last.slice(0, 12).join('\n');
    throw new Error(`after ${withinMs.toString()} ms ${last.length.toString()} wrong:\n${some}`, { cause });
  }
  return performance.now() - begun;
};
