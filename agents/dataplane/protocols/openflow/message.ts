import { invalidField } from '#platform/errors/domain-error.ts';
import { ByteReader, type ByteWriter, malformed } from './bytes.ts';

/**
 * OpenFlow 1.5. Open vSwitch has it enabled on a new bridge since 2.12 (2019), as it has 1.4 since 2.8; of the two it is the
 * one in which all that is used here is standard (masked set_field and copy_field, which are Nicira's extensions in 1.4),
 * so that the switch gives a flow back in the very form it was given.
 */
export const VERSION = 0x06;

/** OFPT_*: the messages that are spoken here. */
export const OFPT = {
  HELLO: 0,
  ERROR: 1,
  ECHO_REQUEST: 2,
  ECHO_REPLY: 3,
  EXPERIMENTER: 4,
  SET_CONFIG: 9,
  PACKET_IN: 10,
  FLOW_MOD: 14,
  MULTIPART_REQUEST: 18,
  MULTIPART_REPLY: 19,
  BARRIER_REQUEST: 20,
  BARRIER_REPLY: 21,
  BUNDLE_CONTROL: 33,
  BUNDLE_ADD_MESSAGE: 34,
} as const;

const HEADER_BYTES = 8;
const LARGEST_MESSAGE = 0xffff;
const HELLO_ELEMENT_VERSION_BITMAP = 1;

/** One message of the stream; its body must be read before the next bytes are taken in. */
export interface Message {
  readonly version: number;
  readonly type: number;
  readonly xid: number;
  readonly body: ByteReader;
}

/** Writes a header and, by `body`, the rest. Throws `invalid` when it all is more than a message can be; then nothing is written. */
export const writeMessage = (writer: ByteWriter, type: number, xid: number, body?: () => void): void => {
  const start = writer.length;
  try {
    writer.u8(VERSION);
    writer.u8(type);
    writer.u16(0);
    writer.u32(xid);
    body?.();
    const length = writer.length - start;
    if (length > LARGEST_MESSAGE) {
      throw invalidField(
        'flow',
        `${length.toString()} octets`,
        `is more than the ${LARGEST_MESSAGE.toString()} of a message`,
      );
    }
    writer.patchU16(start + 2, length);
  } catch (error) {
    writer.truncate(start);
    throw error;
  }
};

/** OFPT_HELLO that offers this version and no other. */
export const writeHello = (writer: ByteWriter, xid: number): void => {
  writeMessage(writer, OFPT.HELLO, xid, () => {
    writer.u16(HELLO_ELEMENT_VERSION_BITMAP);
    writer.u16(8);
    writer.u32(1 << VERSION);
  });
};

/** Whether the other side speaks our version too, by its OFPT_HELLO (OpenFlow 1.5.1 §6.3.1). */
export const offersVersion = ({ version, body }: Message): boolean => {
  while (body.remaining >= 4) {
    const type = body.u16();
    const length = body.u16();
    if (length < 4) throw malformed(`hello element of length ${length.toString()}`);
    const element = body.take(length - 4);
    body.skip(Math.min(-length & 7, body.remaining));
    if (type === HELLO_ELEMENT_VERSION_BITMAP) return (element.u32() & (1 << VERSION)) !== 0;
  }
  return version >= VERSION;
};

/** Cuts a stream of octets, however it comes in pieces, into messages. */
export class Framer {
  readonly #onMessage: (message: Message) => void;
  #pieces: Uint8Array[] = [];
  #size = 0;
  #needed = HEADER_BYTES;

  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  /** Throws `OPENFLOW_MALFORMED` when the stream cannot be followed any further, and whatever `onMessage` throws. */
  push(chunk: Uint8Array): void {
    this.#pieces.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return;
    const bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    this.#needed = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = view.getUint16(at + 2);
      if (length < HEADER_BYTES) throw malformed(`message of length ${length.toString()}`);
      if (bytes.length - at < length) {
        this.#needed = length;
        break;
      }
      this.#onMessage({
        version: view.getUint8(at),
        type: view.getUint8(at + 1),
        xid: view.getUint32(at + 4),
        body: new ByteReader(bytes, at + HEADER_BYTES, at + length),
      });
      at += length;
    }
    const rest = bytes.subarray(at);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
  }
}
