import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { toError } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import type { Dial, StreamHandlers } from '../../sys/stream-socket.ts';
import { OFPBCT, writeBundleControl } from './bundle.ts';
import { ByteWriter } from './bytes.ts';
import { Channel } from './channel.ts';
import { OpenFlowConnection } from './connection.ts';
import type { Flow, FlowMod } from './flow.ts';
import { Framer, OFPT, writeHello, writeMessage } from './message.ts';
import { readFlows } from './read-flows.ts';
import { arbitraryFlow } from './testing/arbitrary-flow.ts';
import { flowsReply } from './testing/flows-reply.ts';

const never = new AbortController().signal;

/** What a switch got. */
interface Heard {
  readonly type: number;
  readonly xid: number;
  /** Hexadecimal. */
  readonly body: string;
}

/** The other end of a connection: tells what comes, and says what it is told to. */
class Peer {
  readonly heard: Heard[] = [];
  readonly handlers: StreamHandlers;
  closed = false;
  /** Whether it answers echoes. */
  alive = true;
  readonly framer = new Framer(({ type, xid, body }) => {
    this.heard.push({ type, xid, body: body.hex(body.remaining) });
    if (type === OFPT.ECHO_REQUEST && this.alive) this.message(OFPT.ECHO_REPLY, xid);
  });

  constructor(handlers: StreamHandlers) {
    this.handlers = handlers;
  }

  say(bytes: Uint8Array): void {
    this.handlers.data(Buffer.from(bytes));
  }

  message(type: number, xid: number, hex = ''): void {
    const writer = new ByteWriter();
    writeMessage(writer, type, xid, () => {
      writer.hex(hex);
    });
    this.say(writer.finish());
  }

  greet(): void {
    const writer = new ByteWriter();
    writeHello(writer, 1);
    this.say(writer.finish());
  }

  /** The message of that type that came last, once it is there. */
  async last(type: number): Promise<Heard> {
    const find = (): Heard | undefined => this.heard.findLast((message) => message.type === type);
    await eventually(`a message of type ${type.toString()}`, () => find() !== undefined);
    return find() ?? { type, xid: 0, body: '' };
  }
}

/** A dial to peers that greet unless they are to be silent, and those that were dialled. */
const dialPeers = (silent = false): { readonly dial: Dial; readonly peers: readonly Peer[] } => {
  const peers: Peer[] = [];
  const dial: Dial = (_, handlers) => {
    const peer = new Peer(handlers);
    peers.push(peer);
    if (!silent) {
      setImmediate(() => {
        peer.greet();
      });
    }
    return Promise.resolve({
      write: (bytes) => {
        if (!peer.closed) peer.framer.push(bytes);
      },
      close: () => {
        peer.closed = true;
      },
    });
  };
  return { dial, peers };
};

const path = '/run/br-int.mgmt';

/** A connection, and all that happens to it. */
const connect = (options: { readonly silent?: boolean; readonly probeMs?: number } = {}) => {
  const { dial, peers } = dialPeers(options.silent);
  const events: string[] = [];
  const connection = new OpenFlowConnection({
    dial,
    path,
    log: nullLog,
    probeMs: options.probeMs ?? 60_000,
    onConnected: () => events.push('connected'),
    onLost: (error) => events.push(`lost: ${error.message}`),
  });
  onTestFinished(() => connection.stop());
  const peer = async (number = 0): Promise<Peer> => {
    await eventually('a peer', () => peers.length > number);
    const found = peers[number];
    if (found === undefined) throw new Error('no peer');
    return found;
  };
  return { connection, events, peer };
};

const flow = (n: number): Flow => ({ table: 0, priority: n, cookie: 1n, match: {}, actions: [] });
const add = (n: number): FlowMod => ({ command: 'add', flow: flow(n) });

/** Says of the last commit that it was done. */
const commit = async (peer: Peer): Promise<void> => {
  await eventually('a commit', () => isCommit(peer.heard.at(-1)));
  const writer = new ByteWriter();
  writeBundleControl(writer, 1, OFPBCT.COMMIT_REPLY, peer.heard.at(-1)?.xid ?? 0);
  peer.say(writer.finish());
};

const isCommit = (message: Heard | undefined): boolean =>
  message?.type === OFPT.BUNDLE_CONTROL && message.body.slice(8, 12) === '0004';

const added = (peer: Peer): number => peer.heard.filter(({ type }) => type === OFPT.BUNDLE_ADD_MESSAGE).length;

test('connects, greets, and is done when it is stopped', async () => {
  await using _ = leakCheck();
  const { connection, events, peer } = connect();
  expect(connection.connected).toBe(false);
  await connection.start(never);
  expect(connection.connected).toBe(true);
  expect((await peer()).heard).toEqual([{ type: OFPT.HELLO, xid: 0, body: '0001000800000040' }]);
  await connection.stop();
  expect(events).toEqual(['connected']);
  expect((await peer()).closed).toBe(true);
  await expect(connection.apply([add(1)], never)).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'OPENFLOW_UNREACHABLE',
    message: 'no OpenFlow at /run/br-int.mgmt: stopped',
  });
});

test('connects again after it lost the switch, and says both', async () => {
  const { connection, events, peer } = connect();
  await connection.start(never);
  (await peer()).handlers.closed(new Error('gone'));
  await eventually('lost', () => !connection.connected);
  await expect(connection.dump({}, never)).rejects.toThrow('/run/br-int.mgmt: gone');
  await eventually('connected again', () => connection.connected);
  expect(events).toEqual(['connected', 'lost: gone', 'connected']);
});

test('is done when it is stopped before there was a connection', async () => {
  await using _ = leakCheck();
  const { connection, events } = connect({ silent: true });
  const start = expect(connection.start(never)).rejects.toMatchObject({ code: 'unavailable' });
  await connection.stop();
  await start;
  expect(events).toEqual([]);
});

test('a start that nobody waits for any longer goes on', async () => {
  const { connection, events } = connect();
  await expect(connection.start(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  await eventually('connected', () => events.length === 1);
});

test.each([
  ['speaks another version', '0400000800000001', 'add OpenFlow15 to its protocols'],
  ['refuses ours', '0401001200000001000000006e6f20776179', 'OFPHFC_INCOMPATIBLE: no way'],
  ['speaks no OpenFlow', Buffer.from('HTTP/1.1 400 Bad Request\r\n'.repeat(1000)).toString('hex'), 'version 72'],
])('a switch that %s is no connection, and why is said', async (_, octets, why) => {
  const { connection, peer, events } = connect({ silent: true });
  const start = connection.start(never);
  const first = await peer();
  await first.last(OFPT.HELLO);
  first.say(Buffer.from(octets, 'hex'));
  await eventually('given up', async () => {
    const error = await connection.apply([add(1)], never).then(() => undefined, toError);
    return error?.message.includes(why) === true;
  });
  expect(first.closed).toBe(true);
  (await peer(1)).greet();
  await start;
  expect(events).toEqual(['connected']);
});

test('answers echoes, and asks for one when it hears nothing', async () => {
  const { connection, peer, events } = connect({ probeMs: 20 });
  await connection.start(never);
  const first = await peer();
  first.message(OFPT.ECHO_REQUEST, 0x77, 'cafe');
  expect(first.heard.at(-1)).toEqual({ type: OFPT.ECHO_REPLY, xid: 0x77, body: 'cafe' });
  await eventually('asked', () => first.heard.filter(({ type }) => type === OFPT.ECHO_REQUEST).length >= 4);
  expect(events).toEqual(['connected']);
  first.alive = false;
  await expect(connection.apply([add(1)], never)).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'OPENFLOW_CONNECTION_LOST',
  });
  expect(events).toEqual(['connected', 'lost: no answer within 20 ms']);
});

test('changes that wait for others go together, each call with its own answers', async () => {
  const { connection, peer } = connect();
  await connection.start(never);
  const calls = [[1], [2, 3], [], [4]].map((numbers) => connection.apply(numbers.map(add), never));
  const first = await peer();
  await first.last(OFPT.BUNDLE_CONTROL);
  expect(added(first)).toBe(1);
  await commit(first);
  expect(await calls[0]).toEqual([undefined]);
  await eventually('the others', () => added(first) === 4);
  const refused = first.heard.filter(({ type }) => type === OFPT.BUNDLE_ADD_MESSAGE)[2];
  first.message(OFPT.ERROR, refused?.xid ?? 0, '00050001');
  await commit(first);
  expect(await Promise.all(calls.slice(1))).toEqual([[undefined, 'OFPFMFC_TABLE_FULL'], [], [undefined]]);
});

test('an abort is answered at once; what has not been sent is not done', async () => {
  const { connection, peer } = connect();
  await connection.start(never);
  const first = await peer();
  const [sent, waiting] = [new AbortController(), new AbortController()];
  const calls = [connection.apply([add(1)], sent.signal), connection.apply([add(2)], waiting.signal)];
  sent.abort(new Error('enough'));
  waiting.abort(new Error('enough, too'));
  await expect(calls[0]).rejects.toThrow('enough');
  await expect(calls[1]).rejects.toThrow('enough, too');
  const third = connection.apply([add(3)], never);
  await commit(first);
  await eventually('the third', () => added(first) === 2);
  await commit(first);
  expect(await third).toEqual([undefined]);
  await expect(connection.apply([add(4)], sent.signal)).rejects.toThrow('enough');
  await expect(connection.dump({}, sent.signal)).rejects.toThrow('enough');
});

test('whoever waits is told when the switch goes away, and whether anything can have been done', async () => {
  const { connection, peer } = connect();
  await connection.start(never);
  const waiting = [connection.apply([add(1)], never), connection.apply([add(2)], never), connection.dump({}, never)];
  const [sent, queued, reading] = waiting.map((call) => call.then(() => 'done', toError));
  (await peer()).handlers.closed(new Error('gone'));
  const lost = { code: 'unavailable', message: 'lost OpenFlow at /run/br-int.mgmt: gone' };
  expect(await sent).toMatchObject(lost);
  expect(await queued).toMatchObject({ code: 'unavailable', reason: 'OPENFLOW_UNREACHABLE' });
  expect(await reading).toMatchObject(lost);
});

test('a refusal that is no matter of a change is an error of the call', async () => {
  const { connection, peer } = connect();
  await connection.start(never);
  const first = await peer();
  const opening = connection.apply([add(1)], never);
  first.message(OFPT.ERROR, first.heard[1]?.xid ?? 0, '00110005');
  await expect(opening).rejects.toMatchObject({ reason: 'OPENFLOW_REFUSED' });
  const ending = connection.apply([add(1)], never);
  await eventually('a commit', () => isCommit(first.heard.at(-1)));
  first.message(OFPT.ERROR, first.heard.at(-1)?.xid ?? 0, '0011000e');
  await expect(ending).rejects.toThrow('OFPBFC_TIMEOUT');
  const reading = connection.dump({}, never);
  first.message(OFPT.ERROR, (await first.last(OFPT.MULTIPART_REQUEST)).xid, '00010005');
  await expect(reading).rejects.toThrow('OFPBRC_EPERM');
});

test('flows that come in several parts are put together', async () => {
  const { connection, peer } = connect();
  await connection.start(never);
  const reading = connection.dump({ table: 0 }, never);
  const first = await peer();
  const { xid } = await first.last(OFPT.MULTIPART_REQUEST);
  first.say(flowsReply([flow(1), flow(2)], xid, true));
  first.message(12, 0, '00');
  first.say(flowsReply([], xid, true));
  first.say(flowsReply([flow(3)], xid));
  expect(await reading).toEqual([1, 2, 3].map(flow));
});

test('a switch that sends nonsense is left, and nothing else happens', async () => {
  const damaged = fc.tuple(
    fc.array(arbitraryFlow, { minLength: 1, maxLength: 3 }),
    fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { minLength: 1, maxLength: 4 }),
  );
  await fc.assert(
    fc.asyncProperty(damaged, async ([flows, flips]) => {
      const { dial, peers } = dialPeers();
      const channel = await Channel.open({ dial, path, probeMs: 60_000 }, never);
      const read = readFlows(channel, {}).then(() => undefined, toError);
      const bytes = flowsReply(flows, (await peers[0]?.last(OFPT.MULTIPART_REQUEST))?.xid ?? 0);
      for (const { at, to } of flips) bytes[at % bytes.length] = to;
      peers[0]?.say(bytes);
      // What has not been answered by then never will be.
      peers[0]?.handlers.closed(new Error('closed'));
      const why = (await channel.ended).message;
      expect(why).toMatch(/^closed$|^malformed OpenFlow message: /);
      expect((await read)?.message ?? '').toMatch(/^$|^lost OpenFlow at |^the switch refused a request: /);
    }),
  );
});
