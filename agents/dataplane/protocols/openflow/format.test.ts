import { expect, test } from 'vitest';
import { OFPP } from './flow.ts';
import type { Action, Flow, Match } from './flow.ts';
import { formatFlow, formatFlowId } from './format.ts';

const flow: Flow = { table: 30, priority: 100, cookie: 0n, match: {}, actions: [] };
const value = (bits: bigint, mask?: bigint): { readonly value: bigint; readonly mask?: bigint } => ({
  value: bits,
  ...(mask !== undefined && { mask }),
});

test.each<[string, Partial<Flow>]>([
  ['table=30,priority=100 actions=drop', {}],
  [
    'cookie=0x77,table=30,priority=100,idle_timeout=5,hard_timeout=6 actions=write_metadata:0x46,goto_table:40',
    { cookie: 0x77n, idleTimeout: 5, hardTimeout: 6, writeMetadata: value(0x46n), gotoTable: 40 },
  ],
  [
    'table=30,priority=100,unknown(00014a0400000005) actions=write_metadata:0x1/0xf,unknown(0005000800000000)',
    { unknownMatch: '00014a0400000005', writeMetadata: value(0xf1n, 0xfn), unknownInstructions: '0005000800000000' },
  ],
])('%s', (text, parts) => {
  expect(formatFlow({ ...flow, ...parts })).toBe(text);
});

test.each<[string, Match]>([
  [
    'in_port=LOCAL,metadata=0x46,eth_dst=fa:16:3e:00:00:01',
    {
      eth_dst: value(0xfa163e000001n),
      metadata: value(70n),
      in_port: value(BigInt(OFPP.LOCAL)),
    },
  ],
  ['eth_dst=01:00:00:00:00:00/01:00:00:00:00:00', { eth_dst: value(0xffffffffffffn, 1n << 40n) }],
  [
    'arp,arp_op=1,arp_tpa=10.0.0.0/8',
    { eth_type: value(0x806n), arp_op: value(1n), arp_tpa: value(0x0a000001n, 0xff000000n) },
  ],
  ['ip,ip_src=10.0.0.1/255.0.0.255', { eth_type: value(0x800n), ip_src: value(0x0a000001n, 0xff0000ffn) }],
  ['tcp,tcp_dst=22', { eth_type: value(0x800n), ip_proto: value(6n), tcp_dst: value(22n) }],
  ['tcp6,tcp_dst=0x16/0xff', { eth_type: value(0x86ddn), ip_proto: value(6n), tcp_dst: value(22n, 255n) }],
  ['ip,ip_proto=132', { eth_type: value(0x800n), ip_proto: value(132n) }],
  ['arp', { eth_type: value(0x806n) }],
  ['eth_type=0x88cc', { eth_type: value(0x88ccn) }],
  [
    'icmp6,icmpv6_type=135,nd_target=fd00::/64',
    {
      eth_type: value(0x86ddn),
      ip_proto: value(58n),
      icmpv6_type: value(135n),
      nd_target: value((0xfd00n << 112n) + 1n, ((1n << 64n) - 1n) << 64n),
    },
  ],
  [
    'ipv6,ipv6_src=fd00::1/ffff::ffff',
    {
      eth_type: value(0x86ddn),
      ipv6_src: value((0xfd00n << 112n) + 1n, (0xffffn << 112n) + 0xffffn),
    },
  ],
  ['vlan_vid=0x1005', { vlan_vid: value(0x1005n, 0x1fffn) }],
  ['reg0=0x5/0xf', { reg0: value(0xf5n, 0xfn), reg1: value(1n, 0n), reg2: value(2n, 0n) }],
])('a match as %s', (text, match) => {
  expect(formatFlowId({ ...flow, match })).toBe(`table=30,priority=100,${text}`);
});

test.each<[string, Action]>([
  ['output:5', { kind: 'output', port: 5 }],
  ['IN_PORT', { kind: 'output', port: OFPP.IN_PORT }],
  ['set_field:2->arp_op', { kind: 'set_field', field: 'arp_op', value: 2n }],
  ['set_field:0x1/0x1->reg0', { kind: 'set_field', field: 'reg0', value: 3n, mask: 1n }],
  ['move:eth_src[]->eth_dst[]', { kind: 'move', from: 'eth_src', to: 'eth_dst' }],
  ['move:reg0[8..15]->tun_id[0..7]', { kind: 'move', from: 'reg0', to: 'tun_id', bits: { from: 8, to: 0, count: 8 } }],
  ['resubmit:5', { kind: 'resubmit', port: 5 }],
  ['resubmit:IN_PORT', { kind: 'resubmit' }],
  ['resubmit(,4)', { kind: 'resubmit', table: 4 }],
  ['resubmit(LOCAL,4)', { kind: 'resubmit', port: OFPP.LOCAL, table: 4 }],
  ['push_vlan:0x8100', { kind: 'push_vlan', ethertype: 0x8100 }],
  ['pop_vlan', { kind: 'pop_vlan' }],
  ['unknown(0016000800000005)', { kind: 'unknown', bytes: '0016000800000005' }],
])('an action as %s', (text, action) => {
  expect(formatFlow({ ...flow, actions: [action] })).toBe(`table=30,priority=100 actions=${text}`);
});

test('ports go by the names that they have', () => {
  const named = {
    ...flow,
    match: { in_port: value(1n) },
    actions: [1, 2, OFPP.NORMAL].map((port): Action => ({ kind: 'output', port })),
  };
  expect(formatFlow(named, (port) => `tap${port.toString()}`)).toBe(
    'table=30,priority=100,in_port=tap1 actions=output:tap1,output:tap2,NORMAL',
  );
  expect(formatFlowId(named, () => 'tapx')).toBe('table=30,priority=100,in_port=tapx');
});
