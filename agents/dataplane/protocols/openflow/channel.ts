import { withDeadline } from '#platform/async/deadline.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { ByteStream, Dial } from '../../sys/stream-socket.ts';
import { ByteWriter, malformed } from './bytes.ts';
import { readError } from './error-names.ts';
import { Framer, OFPT, VERSION, offersVersion, writeHello, writeMessage } from './message.ts';
import type { Message } from './message.ts';

export interface ChannelOptions {
  readonly dial: Dial;
  /** The bridge's management socket. */
  readonly path: string;
  /** Milliseconds of silence after which the switch is asked whether it lives; as long again, and it is taken for dead. */
  readonly probeMs: number;
  /** What came unasked. Throws for what makes no sense: the channel ends. */
  readonly onUnasked?: (message: Message) => void;
}

/** Messages that belong together, by a range of transaction ids. */
export interface Exchange {
  /** An answer or an error to the message number `index` of the range. Throws for what makes no sense: the channel ends. */
  receive(message: Message, index: number): void;
  /** The channel ended: no answer will come. */
  lost(error: DomainError): void;
}

interface Range {
  readonly first: number;
  readonly count: number;
  readonly exchange: Exchange;
}

const HANDSHAKE_MS = 5_000;
const LARGEST_XID = 0xffffffff;
/** Milliseconds of reading after which others get their turn: sockets bring megabytes at a time. */
const TURN_MS = 5;

/** There is no connection: nothing was done. */
export const unreachable = (path: string, cause: Error): DomainError =>
  new DomainError('unavailable', 'OPENFLOW_UNREACHABLE', `no OpenFlow at ${path}: ${cause.message}`, { cause });

/** The switch went away before it answered: nobody knows what it did. */
const connectionLost = (path: string, cause: Error): DomainError =>
  new DomainError('unavailable', 'OPENFLOW_CONNECTION_LOST', `lost OpenFlow at ${path}: ${cause.message}`, { cause });

/** The switch refused what is not a matter of one change or another. */
export const refused = (why: string): DomainError =>
  new DomainError('internal', 'OPENFLOW_REFUSED', `the switch refused a request: ${why}`);

/** One OpenFlow connection from its greeting to its end: cuts the stream, answers echoes, hands answers to those who asked. */
export class Channel {
  /** Resolves once, with what ended it; it is closed then. */
  readonly ended: Promise<Error>;
  readonly #path: string;
  readonly #onUnasked: ((message: Message) => void) | undefined;
  readonly #end = Promise.withResolvers<Error>();
  readonly #greeted = Promise.withResolvers<void>();
  readonly #framer = new Framer((message) => {
    this.#receive(message);
  });
  #isGreeted = false;
  /** What came and waits for its turn; the first is being read. */
  readonly #unread: Uint8Array[] = [];
  #ranges: readonly Range[] = [];
  #stream: ByteStream | undefined;
  #reason: Error | undefined;
  #nextXid = 1;
  #probe: NodeJS.Timeout | undefined;
  #heard = true;
  #asked = false;

  private constructor({ path, onUnasked }: ChannelOptions) {
    this.#path = path;
    this.#onUnasked = onUnasked;
    this.ended = this.#end.promise;
    this.#greeted.promise.catch(() => undefined);
  }

  /**
   * Connects and agrees on the version. Rejects with `unavailable` when nobody is there, `precondition` when the bridge does
   * not speak our version, or the reason of `signal`.
   */
  static async open(options: ChannelOptions, signal: AbortSignal): Promise<Channel> {
    const { dial, path, probeMs } = options;
    const channel = new Channel(options);
    try {
      await withDeadline(HANDSHAKE_MS, signal, async (limited) => {
        const stream = await dial(
          path,
          {
            data: (chunk) => {
              channel.#data(chunk);
            },
            closed: (reason) => {
              channel.close(reason);
            },
          },
          limited,
        );
        channel.#open(stream);
        await channel.#greeted.promise;
      });
    } catch (error) {
      channel.close(toError(error));
      throw error;
    }
    channel.#keepAlive(probeMs);
    return channel;
  }

  /** Reserves so many transaction ids, one after the other from the one returned, for `exchange`. Throws when it has ended. */
  begin(count: number, exchange: Exchange): number {
    if (this.#reason !== undefined) throw unreachable(this.#path, this.#reason);
    const first = this.#nextXid + count > LARGEST_XID ? 1 : this.#nextXid;
    this.#nextXid = first + count;
    this.#ranges = [...this.#ranges, { first, count, exchange }];
    return first;
  }

  /** No more is expected for it. */
  finish(exchange: Exchange): void {
    this.#ranges = this.#ranges.filter((range) => range.exchange !== exchange);
  }

  send(writer: ByteWriter): void {
    this.#stream?.write(writer.finish());
  }

  /** Ends it; harmless when it has ended already. */
  close(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    clearInterval(this.#probe);
    this.#stream?.close();
    this.#greeted.reject(reason);
    const ranges = this.#ranges;
    this.#ranges = [];
    for (const { exchange } of ranges) exchange.lost(connectionLost(this.#path, reason));
    this.#end.resolve(reason);
  }

  #open(stream: ByteStream): void {
    this.#stream = stream;
    if (this.#reason !== undefined) {
      stream.close();
      return;
    }
    const writer = new ByteWriter();
    writeHello(writer, 0);
    this.send(writer);
  }

  #data(chunk: Uint8Array): void {
    this.#heard = true;
    this.#unread.push(chunk);
    if (this.#unread.length === 1) this.#read();
  }

  #read(): void {
    const turn = performance.now();
    try {
      for (let chunk = this.#unread[0]; chunk !== undefined && this.#reason === undefined; chunk = this.#unread[0]) {
        if (performance.now() - turn > TURN_MS) {
          setImmediate(() => {
            this.#read();
          });
          return;
        }
        this.#framer.push(chunk);
        this.#unread.shift();
      }
    } catch (error) {
      this.close(toError(error));
    }
  }

  #receive(message: Message): void {
    if (this.#reason !== undefined) return;
    switch (message.type) {
      case OFPT.HELLO:
        return this.#greet(message);
      case OFPT.ECHO_REPLY:
        return;
      case OFPT.ECHO_REQUEST:
        return this.#echo(OFPT.ECHO_REPLY, message.xid, message.body.hex(message.body.remaining));
      default:
        return this.#answer(message);
    }
  }

  #greet(message: Message): void {
    if (offersVersion(message)) {
      this.#isGreeted = true;
      return this.#greeted.resolve();
    }
    throw new DomainError(
      'precondition',
      'OPENFLOW_VERSION',
      `the bridge of ${this.#path} does not speak OpenFlow 1.5: add OpenFlow15 to its protocols`,
    );
  }

  #answer(message: Message): void {
    // Nothing but the version can be wrong by then.
    if (!this.#isGreeted && message.type === OFPT.ERROR) throw new Error(readError(message.body));
    if (message.version !== VERSION) throw malformed(`version ${message.version.toString()}`);
    // What the switch says by itself has number 0, which is no request's.
    if (message.xid === 0) return this.#onUnasked?.(message);
    for (const { first, count, exchange } of this.#ranges) {
      const index = (message.xid - first) >>> 0;
      if (index < count) return exchange.receive(message, index);
    }
    // Else the answer to somebody who has gone.
  }

  #echo(type: number, xid: number, data: string): void {
    const writer = new ByteWriter();
    writeMessage(writer, type, xid, () => {
      writer.hex(data);
    });
    this.send(writer);
  }

  #keepAlive(probeMs: number): void {
    if (this.#reason !== undefined) return;
    this.#probe = setInterval(() => {
      // After what is waiting to be read: it may be this process that was not awake.
      setImmediate(() => {
        this.#listen(probeMs);
      });
    }, probeMs);
  }

  #listen(probeMs: number): void {
    if (this.#reason !== undefined) return;
    if (!this.#heard && this.#asked) return this.close(new Error(`no answer within ${probeMs.toString()} ms`));
    this.#asked = !this.#heard;
    this.#heard = false;
    if (this.#asked) this.#echo(OFPT.ECHO_REQUEST, 0, '');
  }
}
