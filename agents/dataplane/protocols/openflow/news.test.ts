import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { writeFlowMonitorRequest } from './flow-monitor.ts';
import { formatFlowId } from './format.ts';
import { OFPT } from './message.ts';
import { News } from './news.ts';
import { writePacketsRequest } from './packet-in.ts';

/** What is told of messages with such bodies. */
const hear = (...messages: readonly (readonly [type: number, body: string])[]): readonly string[] => {
  const told: string[] = [];
  const listener = {
    controllerId: 1,
    flowChanged: ({ event, cookie, ...id }: { event: string; cookie: bigint } & Parameters<typeof formatFlowId>[0]) =>
      told.push(`${event} ${cookie.toString()} ${formatFlowId(id)}`),
    flowsMissed: () => told.push('missed'),
    packet: ({ cookie, data }: { cookie: bigint; data: Uint8Array }) =>
      told.push(`packet ${cookie.toString()} ${Buffer.from(data).toString('hex')}`),
  };
  const news = new News(listener, nullLog);
  for (const [type, body] of messages) {
    news.unasked({ type, version: 6, xid: 0, body: new ByteReader(Buffer.from(body, 'hex')) });
  }
  return told;
};

// Recorded from Open vSwitch 3.1.
const REPLY = '0010000000000000';
const ADDED = '00280001030000000000800000000000000000000000000500010010800004080000000000000007';
const REMOVED = '00280002030200000000800000000000000000000000000600010010800004080000000000007fff';
const PAUSED = '0008000500000000';
const RESUMED = '0008000600000000';
const ABBREV = '0008000400000022';
const update = (...events: readonly string[]): readonly [number, string] => [
  OFPT.MULTIPART_REPLY,
  REPLY + events.join(''),
];

test('updates of flows are told, and our own, which come in short, are not', () => {
  expect(hear(update(ADDED, ABBREV, REMOVED), update())).toEqual([
    'added 5 table=3,priority=32768,metadata=0x7',
    'removed 6 table=3,priority=32768,metadata=0x7fff',
  ]);
});

test('after a pause it is told that there was one, and nothing of what was in it', () => {
  expect(hear(update(ADDED, PAUSED), update(REMOVED), update(ADDED, RESUMED, REMOVED))).toEqual([
    'added 5 table=3,priority=32768,metadata=0x7',
    'missed',
    'removed 6 table=3,priority=32768,metadata=0x7fff',
  ]);
});

test('of other messages nothing is told', () => {
  expect(hear([OFPT.MULTIPART_REPLY, '0001000000000000ffff'], [12, 'ff'])).toEqual([]);
});

test('the requests are what ovs-ofctl sends', () => {
  const hex = (write: (writer: ByteWriter) => void): string => {
    const writer = new ByteWriter();
    write(writer);
    return Buffer.from(writer.finish()).toString('hex');
  };
  expect(
    hex((writer) => {
      writeFlowMonitorRequest(writer, 5);
    }),
  ).toBe(`0612002800000005${REPLY}00000001ffffffffffffffff000eff000001000400000000`);
  expect(
    hex((writer) => {
      writePacketsRequest(writer, 0x7766, 5);
    }),
  ).toBe('060400180000000500002320000000140000000000007766' + '0609000c000000060000ffff');
});

test('whatever comes is told or refused as malformed', () => {
  const octets = (prefix: string): fc.Arbitrary<string> =>
    fc.uint8Array({ maxLength: 120 }).map((bytes) => prefix + Buffer.from(bytes).toString('hex'));
  const bodies = fc.oneof(
    octets('').map((body) => [OFPT.PACKET_IN, body] as const),
    octets(REPLY).map((body) => [OFPT.MULTIPART_REPLY, body] as const),
    fc
      .tuple(fc.constantFrom(ADDED, REMOVED, RESUMED), fc.nat(79), fc.nat(15))
      .map(([event, at, digit]) => update(event.slice(0, at) + digit.toString(16) + event.slice(at + 1))),
  );
  fc.assert(
    fc.property(fc.array(bodies, { maxLength: 4 }), (messages) => {
      try {
        hear(...messages);
      } catch (error) {
        expect(error).toBeInstanceOf(DomainError);
        expect(error).toMatchObject({ reason: 'OPENFLOW_MALFORMED' });
      }
    }),
    { numRuns: 2_000 },
  );
});
