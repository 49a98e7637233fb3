import { DomainError } from '#platform/errors/domain-error.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** Space, tab, newline, carriage return (RFC 8259 §2). */
const WHITESPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Cuts a stream of JSON objects, which follow each other with nothing or whitespace between (RFC 7047 §4), into the text
 * of each. Looks at no byte twice, however the stream is cut. What is inside an object is left for `JSON.parse` to judge.
 */
export class JsonSplitter {
  readonly #onMessage: (text: string) => void;
  readonly #maxBytes: number;
  /** The earlier chunks of the object that is not complete yet. */
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** `onMessage` is called within `push`, once per object. */
  constructor(onMessage: (text: string) => void, maxBytes: number) {
    this.#onMessage = onMessage;
    this.#maxBytes = maxBytes;
  }

  /** Throws `internal` for what is no object and for one larger than the limit; the stream is of no use afterwards. */
  push(chunk: Buffer): void {
    // Locals, since every byte of every message comes by here.
    let [depth, inString, escaped] = [this.#depth, this.#inString, this.#escaped];
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (depth === 0) {
        if (byte === OPEN_BRACE) {
          depth = 1;
          from = at;
        } else if (byte === undefined || !WHITESPACE.has(byte)) throw noObject(chunk.subarray(at));
      } else if (byte === QUOTE) inString = true;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth -= 1;
        if (depth === 0) this.#onMessage(this.#take(chunk.subarray(from, at + 1)));
      }
    }
    [this.#depth, this.#inString, this.#escaped] = [depth, inString, escaped];
    if (depth > 0) this.#keep(chunk.subarray(from));
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) throw tooLarge(this.#maxBytes);
    this.#pieces.push(piece);
  }

  #take(last: Buffer): string {
    if (this.#pieces.length === 0 && last.length <= this.#maxBytes) return last.toString('utf8');
    this.#keep(last);
    const text = Buffer.concat(this.#pieces, this.#bytes).toString('utf8');
    this.#pieces.length = 0;
    this.#bytes = 0;
    return text;
  }
}

const noObject = (rest: Buffer): DomainError =>
  new DomainError(
    'internal',
    'OVSDB_MALFORMED',
    `ovsdb-server sent ${JSON.stringify(rest.subarray(0, 40).toString('latin1'))} where a JSON object must begin`,
  );

const tooLarge = (maxBytes: number): DomainError =>
  new DomainError(
    'internal',
    'OVSDB_MALFORMED',
    `ovsdb-server sent a message of more than ${maxBytes.toString()} bytes`,
  );
