import { writeFile } from 'node:fs/promises';
import { parseVni } from '#platform/net/vni.ts';
import { numbered, type FlowSpec } from '../../../agents/dataplane/drivers/ovs/flow-spec.ts';
import { networkFlows } from '../../../agents/dataplane/drivers/ovs/flows.ts';
import { formatFlow } from '../../../agents/dataplane/protocols/openflow/format.ts';
import { temporaryDirectory } from '../../support/real-servers.ts';
import { inPlace } from '../../system/kernel.ts';
import type { RawTable } from '../dataplane.ts';
import { FAR_VTEP, farEntries } from '../far-entries.ts';
import { timed } from '../figures.ts';

const BRIDGE = 'br-raw';
const TUNNEL = 'vxlan-raw';
const TUNNEL_PORT = 1;
const UDP_PORT = 4790;

/**
 * The same flows as weft writes, each responder after its MAC address, from a file, by one `ovs-ofctl --bundle add-flows`,
 * to a bridge of the same kind in the same switch; and the responders by themselves.
 */
export const measureRawBundle = async (lab: string, host: string, count: number): Promise<RawTable> => {
  await using dir = await temporaryDirectory();
  const vsctl = async (...words: readonly string[]): Promise<string> => inPlace({ lab, host }, ['ovs-vsctl', ...words]);
  await vsctl(
    ...['add-br', BRIDGE, '--', 'set', 'Bridge', BRIDGE, 'datapath_type=netdev', 'fail_mode=secure'],
    ...['--', 'add-port', BRIDGE, TUNNEL, '--', 'set', 'Interface', TUNNEL, 'type=vxlan'],
    ...['options:remote_ip=flow', 'options:key=flow', `options:dst_port=${UDP_PORT.toString()}`],
    `ofport_request=${TUNNEL_PORT.toString()}`,
  );
  try {
    const flows = networkFlows(parseVni('vni', 16_777_000));
    const bundle = async (name: string, specs: readonly FlowSpec[]): Promise<number> => {
      const file = `${dir.path}/${name}`;
      await writeFile(file, specs.map(lineOf).join(''));
      const argv = ['ovs-ofctl', '-O', 'OpenFlow15', '--bundle', 'add-flows', BRIDGE, file];
      return await timed(async () => inPlace({ lab, host }, argv, 60_000));
    };
    const responders = farEntries(count).map(({ ip, mac }) => flows.responder(ip, mac));
    const unicast = farEntries(count).map(({ mac }) => flows.toRemote(mac, { address: FAR_VTEP, udpPort: UDP_PORT }));
    const neighboursSeconds = await bundle('responders', responders);
    await inPlace({ lab, host }, ['ovs-ofctl', '-O', 'OpenFlow15', 'del-flows', BRIDGE]);
    const all = unicast.flatMap((flow, at) => [flow, ...responders.slice(at, at + 1)]);
    return { seconds: await bundle('all', all), neighboursSeconds };
  } finally {
    await vsctl('del-br', BRIDGE);
  }
};

const lineOf = (spec: FlowSpec): string => {
  const { flow } = numbered(spec, () => TUNNEL_PORT);
  return flow === undefined ? '' : `${formatFlow(flow)}\n`;
};
