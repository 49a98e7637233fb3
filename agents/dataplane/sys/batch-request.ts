/** Lines per write: enough to keep the pipe full, little enough to stop soon when it is. */
const LINES_PER_WRITE = 512;

// No quote, backslash or `#`, which the reader of a batch gives a meaning, and no `%`.
const BATCH_LINE = /^[!$&(-[\]-~ ]+$/;

/**
 * One caller's lines on their way through a process: which line of the process is whose, what failed so far, and what
 * has to be said again to another process when that one ends over a line it cannot parse.
 */
export class BatchRequest {
  readonly answer: Promise<readonly (string | undefined)[]>;
  readonly #lines: readonly string[];
  readonly #barrier: string;
  readonly #errors: (string | undefined)[];
  readonly #resolve: (errors: readonly (string | undefined)[]) => void;
  readonly #reject: (reason: unknown) => void;
  /** A barrier after each line, so that the line which ends the process is known. */
  #careful = false;
  /** Lines before this one are answered, whatever becomes of the process. */
  #answered = 0;
  #written = 0;
  /** Number within the process of the first line written to it, and which line of ours that was. */
  #firstLine = 0;
  #startedAt = 0;

  constructor(lines: readonly string[], barrier: string) {
    this.#lines = lines;
    this.#barrier = barrier;
    this.#errors = Array.from({ length: lines.length }, () => undefined);
    const { promise, resolve, reject } = Promise.withResolvers<readonly (string | undefined)[]>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    // The caller may have left at an abort.
    promise.catch(() => undefined);
  }

  /** Starts (or starts over, behind what is answered) in a process that has been given `linesBefore` lines. */
  begin(linesBefore: number): void {
    this.#firstLine = linesBefore + 1;
    this.#startedAt = this.#answered;
    this.#written = this.#answered;
  }

  /** The next piece to write, undefined when all is written; the last piece ends with a barrier. */
  next(): { readonly text: string; readonly count: number; readonly last: boolean } | undefined {
    const total = this.#lines.length;
    if (this.#written > total) return undefined;
    const until = Math.min(this.#written + LINES_PER_WRITE, total);
    const slice = this.#lines.slice(this.#written, until);
    const last = until === total;
    this.#written = last ? total + 1 : until;
    const separator = this.#careful ? `\n${this.#barrier}\n` : '\n';
    const end = this.#careful || !last ? separator : `\n${this.#barrier}\n`;
    const body = slice.join(separator);
    const text = slice.length === 0 ? `${this.#barrier}\n` : body + end;
    const count = slice.length === 0 ? 1 : this.#careful ? 2 * slice.length : slice.length + (last ? 1 : 0);
    return { text, count, last };
  }

  /** Takes a failure of a line of the process; true when that was the barrier that ends the request. */
  failed(line: number, text: string): boolean {
    const offset = line - this.#firstLine;
    const total = this.#lines.length;
    if (!this.#careful) {
      const at = this.#startedAt + offset;
      if (at >= total) return this.#done();
      this.#errors[at] = text;
      this.#answered = at + 1;
      return false;
    }
    const at = this.#startedAt + Math.floor(offset / 2);
    if (offset % 2 === 0) this.#errors[at] = text;
    else this.#answered = at + 1;
    return this.#answered === total && offset % 2 === 1 ? this.#done() : false;
  }

  /**
   * The process ended by itself with `text` while this was the oldest request in it: what ended it is one of the lines
   * not yet answered. When that can only be one, it has its answer; else each is said again with a barrier of its own.
   * True when this answers the request.
   */
  endedOver(text: string): boolean {
    const unanswered = this.#lines.length - this.#answered;
    if (unanswered === 1 || (this.#careful && unanswered > 1)) {
      this.#errors[this.#answered] = text === '' ? 'ended the program without a word' : text;
      this.#answered += 1;
    }
    this.#careful = true;
    return this.#answered >= this.#lines.length ? this.#done() : false;
  }

  reject(reason: unknown): void {
    this.#reject(reason);
  }

  #done(): boolean {
    this.#resolve(this.#errors);
    return true;
  }
}

/** Whether `-batch` reads the line as one command with these very words. */
export const isBatchLine = (line: string): boolean => BATCH_LINE.test(line);
