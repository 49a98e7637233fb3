import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { FIELDS } from './fields.ts';
import type { Action, Flow, FlowMod } from './flow.ts';
import { flowKey, sameFlow } from './flow-identity.ts';
import { readFlowsReply, writeFlowMod, writeFlowsRequest } from './flow-messages.ts';
import { arbitraryFlow } from './testing/arbitrary-flow.ts';
import { flowsReply } from './testing/flows-reply.ts';

const HEADER_BYTES = 8;

const read = (reply: Uint8Array): { readonly flows: readonly Flow[]; readonly more: boolean } => {
  const flows: Flow[] = [];
  const more = readFlowsReply(new ByteReader(reply, HEADER_BYTES), flows);
  return { flows, more };
};

const written = (mod: FlowMod, xid = 6): string => {
  const writer = new ByteWriter();
  writeFlowMod(writer, mod, xid);
  return Buffer.from(writer.finish()).toString('hex');
};

const flow: Flow = { table: 3, priority: 7, cookie: 0x55n, match: {}, actions: [] };

test('flows come back as they were written', () => {
  fc.assert(
    fc.property(fc.array(arbitraryFlow, { maxLength: 5 }), fc.boolean(), (wanted, more) => {
      const answer = read(flowsReply(wanted, 1, more));
      expect(answer.more).toBe(more);
      expect(answer.flows).toHaveLength(wanted.length);
      for (const [at, back] of answer.flows.entries()) {
        const asked = wanted[at] ?? flow;
        expect([sameFlow(back, asked), sameFlow(asked, back)]).toEqual([true, true]);
        expect(flowKey(back)).toBe(flowKey(asked));
        // What is read is canonical: written and read again it is the very same.
        expect(read(flowsReply([back], 1)).flows).toEqual([back]);
      }
    }),
  );
});

// Recorded from `ovs-ofctl -O OpenFlow15 add-flow` of Open vSwitch 3.1, but for the order of the match.
test('a flow looks on the wire as ovs-ofctl writes it', () => {
  const match = {
    in_port: { value: 7n },
    eth_type: { value: 0x86ddn },
    vlan_vid: { value: 0x1005n },
    ip_proto: { value: 58n },
    icmpv6_type: { value: 135n },
    icmpv6_code: { value: 0n },
    nd_target: { value: 0xfd00_0000_0000_0000_0000_0000_0000_0001n },
    tun_src: { value: 0x01020304n },
  };
  const actions: readonly Action[] = [
    { kind: 'set_field', field: 'reg0', value: 5n, mask: 0xffn },
    { kind: 'move', from: 'eth_src', to: 'eth_dst' },
    { kind: 'set_field', field: 'nd_reserved', value: 4n },
    { kind: 'resubmit', table: 4 },
    { kind: 'resubmit', port: 1, table: 2 },
    { kind: 'resubmit', port: 5 },
    { kind: 'push_vlan', ethertype: 0x8100 },
    { kind: 'pop_vlan' },
    { kind: 'output', port: 3 },
    { kind: 'output', port: 0xfffffff8 },
  ];
  const writeMetadata = { value: 5n, mask: 0xffn };
  expect(written({ command: 'add', flow: { ...flow, match, actions, writeMetadata, gotoTable: 9 } })).toBe(
    [
      '060e0138000000060000000000000055000000000000000003000000000000',
      '07ffffffffffffffffffffffff00000000',
      // The match.
      '00010043',
      ...['8000000400000007', '00013e0401020304', '80000a0286dd', '80000c021005'],
      ...['800014013a', '80003a0187', '80003c0100', '80003e10fd000000000000000000000000000001'],
      '0000000000',
      // The actions.
      '000400a000000000',
      ...['001900100001010800000005000000ff', '001c001800300000000000008000080680000606', '00000000'],
      ...['0019001010000204', '0000000400000000', 'ffff001000002320000efff804000000'],
      ...['ffff001000002320000e000102000000', 'ffff001000002320000e0005ff000000'],
      ...['0011000881000000', '0012000800000000', '00000010000000030000000000000000'],
      '00000010fffffff80000000000000000',
      // Metadata and the next table.
      ...['00020018000000000000000000000005', '00000000000000ff', '0001000809000000'],
    ].join(''),
  );
});

test('a request says whose flows, and of which table', () => {
  const request = (filter: Parameters<typeof writeFlowsRequest>[1]): string => {
    const writer = new ByteWriter();
    writeFlowsRequest(writer, filter, 2);
    return Buffer.from(writer.finish()).toString('hex').slice(32);
  };
  const any = 'ffffffffffffffff00000000';
  expect(request({})).toBe(`ff000000${any}${'00'.repeat(16)}0001000400000000`);
  expect(request({ table: 3, cookie: 5n })).toBe(`03000000${any}0000000000000005${'ff'.repeat(8)}0001000400000000`);
  expect(request({ cookie: 5n, cookieMask: 15n })).toBe(
    `ff000000${any}0000000000000005000000000000000f0001000400000000`,
  );
});

test.each<[string, Flow, string]>([
  ['a field without what it needs', { ...flow, match: { arp_op: { value: 1n } } }, 'match.arp_op: "arp_op" can be'],
  [
    'a field with something else than it needs',
    { ...flow, match: { eth_type: { value: 0x800n }, arp_op: { value: 1n } } },
    'only with eth_type 0x806 or 0x8035',
  ],
  [
    'a priority tag of an untagged frame',
    { ...flow, match: { vlan_vid: { value: 0n }, vlan_pcp: { value: 1n } } },
    'match.vlan_pcp: "vlan_pcp" can be matched only with vlan_vid 0x1000',
  ],
  ['a value too large', { ...flow, match: { eth_src: { value: 1n << 48n } } }, 'does not fit the 48 bits of eth_src'],
  ['a mask too large', { ...flow, match: { reg0: { value: 1n, mask: 1n << 32n } } }, 'match.reg0.mask'],
  ['a negative value', { ...flow, match: { metadata: { value: -1n } } }, 'match.metadata: -1'],
  [
    'a mask where none can be',
    { ...flow, match: { in_port: { value: 0n, mask: 1n } } },
    'match.in_port.mask: 1 is not possible',
  ],
  ['a table that none is', { ...flow, table: 255 }, 'table: 255 is not a whole number from 0 to 254'],
  ['a priority too high', { ...flow, priority: 65_536 }, 'priority: 65536'],
  ['a timeout too long', { ...flow, idleTimeout: 65_536 }, 'idleTimeout: 65536'],
  ['a next table that none is', { ...flow, gotoTable: -1 }, 'gotoTable: -1'],
  ['a port that none is', { ...flow, actions: [{ kind: 'output', port: 1.5 }] }, 'actions[0].port: 1.5'],
  ['a port that has no number in 16 bits', { ...flow, actions: [{ kind: 'resubmit', port: 0xff00 }] }, '65279'],
  [
    'bits that a field does not have',
    { ...flow, actions: [{ kind: 'move', from: 'tun_id', to: 'reg0' }] },
    'actions[0]: "bits 0 to 63" are not all within the 32 bits of reg0',
  ],
  [
    'more than a message can be',
    { ...flow, actions: Array.from({ length: 4096 }, (): Action => ({ kind: 'output', port: 1 })) },
    'is more than the 65535 of a message',
  ],
])('%s is refused with field, value and rule, and nothing is written', (_, bad, words) => {
  const writer = new ByteWriter();
  writer.u8(1);
  expect(() => {
    writeFlowMod(writer, { command: 'add', flow: bad }, 1);
  }).toThrow(words);
  expect(writer.length).toBe(1);
});

test('what others have in their flows is kept as it is', () => {
  const actions: readonly Action[] = [
    { kind: 'output', port: 1 },
    // group:5
    { kind: 'unknown', bytes: '0016000800000005' },
    // output:CONTROLLER
    { kind: 'unknown', bytes: '00000010fffffffd0040000000000000' },
    // ct(commit)
    { kind: 'unknown', bytes: 'ffff0018000023200023000100000000000000ff00000000' },
    // set_field to a field of an experimenter
    { kind: 'unknown', bytes: '00190010ffff0208005ad65000000001' },
  ];
  const others: Flow = {
    ...flow,
    match: { in_port: { value: 1n } },
    // conj_id=5
    unknownMatch: '00014a0400000005',
    // clear_actions
    unknownInstructions: '0005000800000000',
    actions,
  };
  const { flows } = read(flowsReply([others], 1));
  expect(flows).toEqual([others]);
  expect(sameFlow(others, { ...others, actions: actions.slice(0, 4) })).toBe(false);
  expect(flowKey(others)).not.toBe(flowKey({ ...others, unknownMatch: '00014a0400000006' }));
});

const octets = fc.uint8Array({ maxLength: 200 });

test('octets that are no flows end in an error that says so, soon', () => {
  const survives = (bytes: Uint8Array): void => {
    try {
      read(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(DomainError);
      expect(error).toMatchObject({ reason: 'OPENFLOW_MALFORMED' });
    }
  };
  fc.assert(
    fc.property(octets, (bytes) => {
      survives(bytes);
    }),
  );
  fc.assert(
    fc.property(
      fc.array(arbitraryFlow, { minLength: 1, maxLength: 3 }),
      fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { maxLength: 4 }),
      fc.nat(),
      (flows, flips, cut) => {
        const bytes = flowsReply(flows, 1);
        const body = bytes.length - HEADER_BYTES;
        for (const { at, to } of flips) bytes[HEADER_BYTES + (at % body)] = to;
        survives(bytes);
        survives(bytes.slice(0, HEADER_BYTES + (cut % body)));
      },
    ),
  );
});

test('each field has a number of its own, and comes after those it needs', () => {
  const fields = Object.values(FIELDS);
  expect(new Set(fields.map(({ oxmClass, number }) => `${oxmClass.toString()}:${number.toString()}`)).size).toBe(
    fields.length,
  );
  for (const { order, needs } of fields) {
    for (const { field } of needs) expect(FIELDS[field].order).toBeLessThan(order);
  }
});
