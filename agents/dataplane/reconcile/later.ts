/**
 * Until when what was done is told: by then the rows of the same change are written on the other hosts as well, which may
 * be guests of one machine with this one, and what was told of many changes is told together.
 */
const AFTER_MS = 20;

/** Work that nobody's packets wait for: done a moment later, in order, all of it at once. */
export class Later {
  #waiting: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** Takes in what is to be done; it must not throw. */
  push(work: () => void): void {
    this.#waiting.push(work);
    this.#timer ??= setTimeout(() => {
      this.flush();
    }, AFTER_MS);
  }

  /** Does now what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }
}
