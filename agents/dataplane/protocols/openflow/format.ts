import { FIELDS } from './fields.ts';
import type { FieldName } from './fields.ts';
import { type PortName, formatHex, formatPort, formatValue, reservedPort } from './field-text.ts';
import { OFPP, SAME_TABLE, canonicalField, canonicalFields } from './flow.ts';
import type { Action, Flow, FlowId, Match } from './flow.ts';
import { movedBits } from './flow-identity.ts';

/**
 * A flow as `ovs-ofctl -O OpenFlow15 add-flow BRIDGE` takes it: `cookie=0x1,table=30,priority=100,arp,arp_op=1
 * actions=drop`. What a flow of somebody else has beyond `Flow` is shown as `unknown`, which no tool takes; and ovs-ofctl
 * takes an IPv6 mask that is no prefix and begins with a decimal digit for the length of one.
 */
export const formatFlow = (flow: Flow, portName?: PortName): string => {
  const before = [
    ...(flow.cookie === 0n ? [] : [`cookie=0x${flow.cookie.toString(16)}`]),
    formatFlowId(flow, portName),
    ...(flow.idleTimeout === undefined ? [] : [`idle_timeout=${flow.idleTimeout.toString()}`]),
    ...(flow.hardTimeout === undefined ? [] : [`hard_timeout=${flow.hardTimeout.toString()}`]),
  ];
  return `${before.join(',')} actions=${formatInstructions(flow, portName)}`;
};

/** Table, priority and match, as `ovs-ofctl -O OpenFlow15 --strict del-flows BRIDGE` takes them. */
export const formatFlowId = ({ table, priority, match, unknownMatch }: FlowId, portName?: PortName): string =>
  [
    `table=${table.toString()}`,
    `priority=${priority.toString()}`,
    ...formatMatch(match, portName),
    ...(unknownMatch === undefined ? [] : [`unknown(${unknownMatch})`]),
  ].join(',');

const formatMatch = (match: Match, portName: PortName | undefined): readonly string[] => {
  const protocol = protocolWord(match);
  return canonicalFields(match).flatMap((oxm) => {
    const { name } = oxm.field;
    if (protocol !== undefined && name === 'eth_type') return [protocol.word];
    if (protocol?.transport === true && name === 'ip_proto') return [];
    return [`${name}=${formatValue(oxm, portName)}`];
  });
};

const NETWORKS: Readonly<Record<string, string>> = { 0x0800: 'ip', 0x0806: 'arp', 0x86dd: 'ipv6' };
const TRANSPORTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ip: { 1: 'icmp', 6: 'tcp', 17: 'udp' },
  ipv6: { 6: 'tcp6', 17: 'udp6', 58: 'icmp6' },
};

/** `arp`, `tcp6` and their like, which stand for `eth_type` and, if it is one of a transport, for `ip_proto` too. */
const protocolWord = (match: Match): { readonly word: string; readonly transport: boolean } | undefined => {
  const network = match.eth_type && NETWORKS[match.eth_type.value.toString()];
  if (network === undefined) return undefined;
  const transport = match.ip_proto && TRANSPORTS[network]?.[match.ip_proto.value.toString()];
  return { word: transport ?? network, transport: transport !== undefined };
};

const formatInstructions = (flow: Flow, portName: PortName | undefined): string => {
  const words = flow.actions.map((action) => formatAction(action, portName));
  if (flow.writeMetadata !== undefined) {
    words.push(`write_metadata:${formatHex(canonicalField(FIELDS.metadata, flow.writeMetadata))}`);
  }
  if (flow.unknownInstructions !== undefined) words.push(`unknown(${flow.unknownInstructions})`);
  if (flow.gotoTable !== undefined) words.push(`goto_table:${flow.gotoTable.toString()}`);
  return words.length === 0 ? 'drop' : words.join(',');
};

const formatAction = (action: Action, portName: PortName | undefined): string => {
  switch (action.kind) {
    case 'output':
      return reservedPort(action.port) ?? `output:${formatPort(action.port, portName)}`;
    case 'set_field':
      return `set_field:${formatValue(canonicalField(FIELDS[action.field], action), portName)}->${action.field}`;
    case 'move': {
      const { from, to, count } = movedBits(action);
      return `move:${formatBits(action.from, from, count)}->${formatBits(action.to, to, count)}`;
    }
    case 'resubmit': {
      const { port = OFPP.IN_PORT, table = SAME_TABLE } = action;
      const shown = formatPort(port, portName);
      if (table === SAME_TABLE) return `resubmit:${shown}`;
      return `resubmit(${port === OFPP.IN_PORT ? '' : shown},${table.toString()})`;
    }
    case 'push_vlan':
      return `push_vlan:0x${action.ethertype.toString(16)}`;
    case 'pop_vlan':
      return 'pop_vlan';
    case 'controller':
      return `controller(max_len=${action.maxLength.toString()},id=${action.controllerId.toString()})`;
    case 'unknown':
      return `unknown(${action.bytes})`;
  }
};

const formatBits = (field: FieldName, first: number, count: number): string =>
  first === 0 && count === FIELDS[field].bits
    ? `${field}[]`
    : `${field}[${first.toString()}..${(first + count - 1).toString()}]`;
