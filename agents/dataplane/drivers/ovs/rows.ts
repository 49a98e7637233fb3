import type { InTurns } from '#platform/async/turns.ts';
import { bigIntToIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Destination, Rows } from '../../model/rows.ts';
import type { FieldName } from '../../protocols/openflow/fields.ts';
import { udpPortOf } from './devices.ts';
import { isDevice } from './flow-spec.ts';
import type { FlowSpec } from './flow-spec.ts';
import { TABLES } from './pipeline.ts';

/** The rows that flows of one network stand for: the inverse of flows.ts, for what is compared between hosts of both kinds. */
export function* rowsOf(flows: Iterable<FlowSpec>): InTurns<Rows> {
  const fdb = new Map<MacAddress, Destination>();
  const bridgeFdb = new Map<MacAddress, string>();
  const neighbours = new Map<IpAddress, MacAddress>();
  const flood = new Map<IpAddress, Destination>();
  for (const flow of flows) {
    yield;
    if (flow.table === TABLES.unicast) {
      const mac = macOf(valueOf(flow, 'eth_dst'));
      const [to] = destinationsOf(flow);
      const [device] = devicesOf(flow);
      if (mac === undefined) continue;
      if (to !== undefined) fdb.set(mac, to);
      else if (device !== undefined) bridgeFdb.set(mac, device);
    } else if (flow.table === TABLES.responder) {
      const ip = askedFor(flow);
      const mac = macOf(setValue(flow, 'eth_src') ?? setValue(flow, 'eth_dst'));
      if (ip !== undefined && mac !== undefined) neighbours.set(ip, mac);
    } else if (flow.table === TABLES.flood) {
      for (const to of destinationsOf(flow)) flood.set(to.address, to);
    }
  }
  return { fdb, bridgeFdb, neighbours, flood };
}

/** Of a field that is compared as a whole: others are no row's. */
const valueOf = ({ match }: FlowSpec, field: FieldName): bigint | undefined =>
  match[field]?.mask === undefined ? match[field]?.value : undefined;

const setValue = ({ actions }: FlowSpec, field: FieldName): bigint | undefined => {
  for (const action of actions) if (action.kind === 'set_field' && action.field === field) return action.value;
  return undefined;
};

const macOf = (value: bigint | undefined): MacAddress | undefined => {
  if (value === undefined) return undefined;
  const digits = value.toString(16).padStart(12, '0');
  let mac = digits.slice(0, 2);
  for (let at = 2; at < 12; at += 2) mac += `:${digits.slice(at, at + 2)}`;
  return mac as MacAddress;
};

const askedFor = (flow: FlowSpec): IpAddress | undefined => {
  const [v4, v6] = [valueOf(flow, 'arp_tpa'), valueOf(flow, 'nd_target')];
  if (v4 !== undefined) return bigIntToIp(4, v4);
  return v6 === undefined ? undefined : bigIntToIp(6, v6);
};

/** Where the flow sends copies through tunnels: each output to a tunnel goes to the address set last before it. */
const destinationsOf = ({ actions }: FlowSpec): readonly Destination[] => {
  const found: Destination[] = [];
  let address: IpAddress | undefined;
  for (const action of actions) {
    if (action.kind === 'set_field' && action.field === 'tun_dst') address = bigIntToIp(4, action.value);
    if (action.kind === 'set_field' && action.field === 'tun_ipv6_dst') address = bigIntToIp(6, action.value);
    if (action.kind !== 'output' || address === undefined) continue;
    const udpPort = udpPortOf(action.device);
    if (udpPort !== undefined) found.push({ address, udpPort });
  }
  return found;
};

/** Devices of this host to which the flow sends. */
const devicesOf = ({ actions }: FlowSpec): readonly string[] =>
  actions.flatMap((action) =>
    action.kind === 'output' && udpPortOf(action.device) === undefined ? [action.device] : [],
  );

/** Where flows of a flood list send copies: all that have a name. */
export const floodTargets = (
  flows: readonly FlowSpec[],
): { readonly devices: readonly string[]; readonly destinations: readonly Destination[] } => {
  const destinations = new Map<string, Destination>();
  for (const to of flows.flatMap(destinationsOf)) destinations.set(`${to.address} ${to.udpPort.toString()}`, to);
  const devices = new Set(flows.flatMap(devicesOf).filter(isDevice));
  return { devices: [...devices], destinations: [...destinations.values()] };
};
