import { aborted } from '#platform/async/aborted.ts';

/** How long somebody waits for a turn before going ahead without one. */
const PATIENCE_MS = 1_000;

/**
 * Turns at records that transactions of this process keep losing to each other. The commit alone guards the data; a
 * turn saves the runs that would be thrown away. A key nobody has fought over costs nothing.
 */
export class HotKeys {
  readonly #lines = new Map<string, (() => void)[]>();

  isHot(key: string): boolean {
    return this.#lines.has(key);
  }

  /**
   * Waits for a turn at `key`, first come first served; give it back by disposing. After a second it stops waiting:
   * whoever holds the turn may be slow, and the commit decides anyway. Rejects with the signal's reason.
   */
  async turn(key: string, signal: AbortSignal): Promise<Disposable> {
    const line = this.#lines.get(key);
    if (line === undefined) {
      this.#lines.set(key, []);
      return this.#held(key);
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wake = (): void => {
      resolve(true);
    };
    const timer = setTimeout(() => {
      resolve(false);
    }, PATIENCE_MS);
    line.push(wake);
    let mine = false;
    try {
      using abort = aborted(signal);
      mine = await Promise.race([promise, abort.promise]);
    } finally {
      clearTimeout(timer);
      if (!mine) this.#leave(key, line, wake);
    }
    return mine ? this.#held(key) : { [Symbol.dispose]: () => undefined };
  }

  #held(key: string): Disposable {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#next(key);
        held = false;
      },
    };
  }

  #leave(key: string, line: (() => void)[], wake: () => void): void {
    const place = line.indexOf(wake);
    if (place >= 0) line.splice(place, 1);
    // Woken in the very moment of giving up: the turn goes on to the next.
    else this.#next(key);
  }

  #next(key: string): void {
    const wake = this.#lines.get(key)?.shift();
    if (wake === undefined) this.#lines.delete(key);
    else wake();
  }
}
