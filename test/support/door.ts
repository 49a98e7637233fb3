import { DomainError } from '#platform/errors/domain-error.ts';
import { type Dial, dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';

/** A door through which a test sees and bends what goes by. */
export class Door {
  readonly #streams = new Set<() => void>();
  #held: Buffer[] | undefined;
  #release: (() => void) | undefined;
  /** How often somebody came to it. */
  attempts = 0;
  /** All that came. */
  heard = '';
  /** Whether it lets anybody through. */
  open = true;
  /** Answers in place of the server, or says nothing. */
  answer: (message: string) => string | undefined = () => undefined;
  /** Cuts what comes into pieces of that many bytes. */
  pieces = Infinity;

  readonly dial: Dial = async (path, handlers, signal) => {
    this.attempts += 1;
    if (!this.open) throw new DomainError('unavailable', 'SOCKET_UNREACHABLE', 'the door is closed');
    const hand = (chunk: Buffer): void => {
      for (let at = 0; at < chunk.length; at += this.pieces) {
        handlers.data(chunk.subarray(at, Math.min(chunk.length, at + this.pieces)));
      }
    };
    const data = (chunk: Buffer): void => {
      this.heard += chunk.toString();
      if (this.#held === undefined) hand(chunk);
      else {
        this.#held.push(chunk);
        this.#release = () => {
          hand(Buffer.concat(this.#held ?? []));
          this.#held = undefined;
        };
      }
    };
    const stream = await dialUnix(path, { data, closed: handlers.closed }, signal);
    const cut = (): void => {
      stream.close();
      handlers.closed(new Error('cut by the test'));
    };
    this.#streams.add(cut);
    return {
      write: (bytes) => {
        const answer = this.answer(Buffer.from(bytes).toString());
        if (answer === undefined) stream.write(bytes);
        else
          setImmediate(() => {
            data(Buffer.from(answer));
          });
      },
      close: () => {
        this.#streams.delete(cut);
        stream.close();
      },
    };
  };

  /** Keeps back what comes, until released as one chunk. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    this.#release?.();
  }

  /** Ends all connections; the server finds out, too. */
  cut(): void {
    for (const cut of this.#streams) cut();
    this.#streams.clear();
  }
}
