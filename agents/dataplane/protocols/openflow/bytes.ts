import { DomainError } from '#platform/errors/domain-error.ts';

const FIRST_SIZE = 1 << 12;
const HALF = 1n << 64n;

/** Puts numbers behind each other, in network byte order. */
export class ByteWriter {
  #view: DataView<ArrayBuffer>;
  #length = 0;

  constructor(size = FIRST_SIZE) {
    this.#view = new DataView(new ArrayBuffer(size));
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#advance(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#advance(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value);
  }

  u64(value: bigint): void {
    const at = this.#advance(8);
    this.#view.setBigUint64(at, value);
  }

  /** A number of 1, 2, 4, 6, 8 or 16 octets, which it must fit. */
  uint(value: bigint, bytes: number): void {
    const at = this.#advance(bytes);
    const view = this.#view;
    if (bytes === 16) {
      view.setBigUint64(at, value / HALF);
      view.setBigUint64(at + 8, BigInt.asUintN(64, value));
    } else if (bytes === 8) view.setBigUint64(at, value);
    else if (bytes === 6) {
      const number = Number(value);
      view.setUint16(at, Math.floor(number / 2 ** 32));
      view.setUint32(at + 2, number % 2 ** 32);
    } else if (bytes === 4) view.setUint32(at, Number(value));
    else if (bytes === 2) view.setUint16(at, Number(value));
    else view.setUint8(at, Number(value));
  }

  hex(text: string): void {
    const at = this.#advance(text.length / 2);
    Buffer.from(this.#view.buffer).write(text, at, 'hex');
  }

  zeros(count: number): void {
    const at = this.#advance(count);
    new Uint8Array(this.#view.buffer, at, count).fill(0);
  }

  /** Zeros up to a multiple of eight octets since `start`. */
  align(start: number): void {
    this.zeros(-(this.#length - start) & 7);
  }

  /** Writes over what stands at `at`. */
  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  /** Forgets what came after `length`. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** What was written; the writer must not be used any more. */
  finish(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.#length);
  }

  /** May put another view in the place of `#view`, so it comes before that is looked at. */
  #advance(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#view.byteLength) {
      const larger = new Uint8Array(Math.max(this.#view.byteLength * 2, this.#length));
      larger.set(new Uint8Array(this.#view.buffer, 0, at));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** What came is not OpenFlow as the specification has it. */
export const malformed = (what: string): DomainError =>
  new DomainError('internal', 'OPENFLOW_MALFORMED', `malformed OpenFlow message: ${what}`);

/** Takes numbers off the front of some octets; throws `OPENFLOW_MALFORMED` rather than read past their end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;
  readonly #end: number;

  /** `view` is one of the same octets, where there is one: what is read in parts takes hundreds of readers. */
  constructor(
    bytes: Uint8Array,
    from = 0,
    end = bytes.length,
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  ) {
    this.#bytes = bytes;
    this.#view = view;
    this.#at = from;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  /** A number of 1, 2, 4, 6, 8 or 16 octets. */
  uint(bytes: number): bigint {
    const at = this.#advance(bytes);
    const view = this.#view;
    if (bytes === 16) return view.getBigUint64(at) * HALF + view.getBigUint64(at + 8);
    if (bytes === 8) return view.getBigUint64(at);
    if (bytes === 6) return BigInt(view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2));
    if (bytes === 4) return BigInt(view.getUint32(at));
    return BigInt(bytes === 2 ? view.getUint16(at) : view.getUint8(at));
  }

  /** The next so many octets as lower-case hexadecimal digits. */
  hex(count: number): string {
    const at = this.#advance(count);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + at, count).toString('hex');
  }

  /** A copy of the next so many octets. */
  octets(count: number): Uint8Array {
    const at = this.#advance(count);
    return Uint8Array.from(this.#bytes.subarray(at, at + count));
  }

  /** The next so many octets, to be read on their own. */
  take(count: number): ByteReader {
    const at = this.#advance(count);
    return new ByteReader(this.#bytes, at, at + count, this.#view);
  }

  /** The same octets, to be read once more from here. */
  again(): ByteReader {
    return new ByteReader(this.#bytes, this.#at, this.#end, this.#view);
  }

  skip(count: number): void {
    this.#advance(count);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) {
      throw malformed(`${count.toString()} octets expected where ${this.remaining.toString()} are left`);
    }
    this.#at = at + count;
    return at;
  }
}
