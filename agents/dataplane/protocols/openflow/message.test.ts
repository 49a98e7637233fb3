import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteWriter } from './bytes.ts';
import { readError } from './error-names.ts';
import { Framer, OFPT, offersVersion, writeHello, writeMessage } from './message.ts';
import type { Message } from './message.ts';

interface Seen {
  readonly type: number;
  readonly xid: number;
  readonly body: string;
}

const cut = (pieces: Iterable<Uint8Array>): readonly Seen[] => {
  const seen: Seen[] = [];
  const framer = new Framer(({ type, xid, body }) => {
    seen.push({ type, xid, body: body.hex(body.remaining) });
  });
  for (const piece of pieces) framer.push(piece);
  return seen;
};

/** The one message of these octets. */
const only = (octets: string): Message => {
  const messages: Message[] = [];
  new Framer((message) => {
    messages.push(message);
  }).push(Buffer.from(octets, 'hex'));
  const [message] = messages;
  if (message === undefined) throw new Error('no message');
  return message;
};

test('a stream gives the same messages however it is cut', () => {
  const message = fc.record({
    type: fc.nat(255),
    xid: fc.nat(0xffffffff),
    body: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(300), { maxLength: 20 }), (messages, cuts) => {
      const writer = new ByteWriter();
      for (const { type, xid, body } of messages) {
        writeMessage(writer, type, xid, () => {
          writer.hex(body);
        });
      }
      const bytes = writer.finish();
      const ends = [...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length];
      expect(cut(ends.map((end, at) => bytes.slice(ends[at - 1] ?? 0, end)))).toEqual(messages);
    }),
  );
});

test('what cannot be cut any further is said, and the rest is not waited for', () => {
  expect(() => cut([Buffer.from('0600000700000001', 'hex')])).toThrow('message of length 7');
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (pieces) => {
      try {
        cut(pieces);
      } catch (error) {
        expect(error).toMatchObject({ reason: 'OPENFLOW_MALFORMED' });
      }
    }),
  );
});

test('a greeting offers OpenFlow 1.5 and nothing else', () => {
  const writer = new ByteWriter();
  writeHello(writer, 9);
  // As `ovs-ofctl -O OpenFlow15` does.
  expect(Buffer.from(writer.finish()).toString('hex')).toBe('06000010000000090001000800000040');
});

test.each([
  ['the version of the header', '0600000800000001', true],
  ['a later one in the header', '0700000800000001', true],
  ['an earlier one in the header', '0500000800000001', false],
  ['a bitmap that has it', '0700001000000001000100080000007e', true],
  ['a bitmap without it', '07000010000000010001000800000092', false],
  ['a bitmap after something unknown', '0500001800000001000200050100000000010008ffffffff', true],
  ['an unknown element that is not padded', '0600000d000000010002000501', true],
])('the other side offers it by %s', (_, octets, offers) => {
  expect(offersVersion(only(octets))).toBe(offers);
});

test('a greeting that makes no sense is no greeting', () => {
  expect(() => offersVersion(only('0600000c0000000100010003'))).toThrow('hello element of length 3');
  expect(() => offersVersion(only('0600000c0000000100010004'))).toThrow('4 octets expected');
});

test.each([
  ['a name of the specification', '00040006', 'OFPBMC_BAD_FIELD'],
  ['another', '0011000d060e0038', 'OFPBFC_MSG_FAILED'],
  [
    'its words, where it has some',
    '00000000' + Buffer.from('no\0 way\n').toString('hex'),
    'OFPHFC_INCOMPATIBLE: no way',
  ],
  ['a name of Open vSwitch', 'ffff000200002320', 'NXBRC_NXM_INVALID'],
  ['numbers, for a code without a name', '00050063', 'OpenFlow error of type 5, code 99'],
  ['numbers, for a type without names', '0063000a', 'OpenFlow error of type 99, code 10'],
  ['numbers, for an unknown experimenter', 'ffff00020badcafe', 'OpenFlow error 2 of experimenter 0xbadcafe'],
])('an error is told by %s', (_, octets, text) => {
  expect(readError(only(`0601${(8 + octets.length / 2).toString(16).padStart(4, '0')}00000001${octets}`).body)).toBe(
    text,
  );
});

test('an empty echo is as long as a header', () => {
  const writer = new ByteWriter();
  writeMessage(writer, OFPT.ECHO_REQUEST, 0xffffffff);
  expect(Buffer.from(writer.finish()).toString('hex')).toBe('06020008ffffffff');
});
