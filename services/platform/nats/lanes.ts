/**
 * Works on items in the order they came per key, on several keys at once. A free place is taken in the very turn in which
 * an item comes.
 */
export class Lanes<Item> {
  readonly #width: number;
  readonly #work: (item: Item) => Promise<void>;
  /** Keys with a running or waiting item, and their waiting items. */
  readonly #lanes = new Map<string, Item[]>();
  /** Keys with a waiting item and none running, longest waiting first. */
  #due: string[] = [];
  #running = 0;
  #idle: (() => void)[] = [];

  /** `width`: how many run at once. `work` must not reject. */
  constructor(width: number, work: (item: Item) => Promise<void>) {
    this.#width = width;
    this.#work = work;
  }

  push(key: string, item: Item): void {
    const lane = this.#lanes.get(key);
    if (lane !== undefined) {
      lane.push(item);
      return;
    }
    this.#lanes.set(key, [item]);
    this.#due.push(key);
    this.#pump();
  }

  /** Takes back what has not begun. */
  clear(): readonly Item[] {
    const waiting = [...this.#lanes.values()].flat();
    for (const key of this.#due) this.#lanes.delete(key);
    for (const lane of this.#lanes.values()) lane.length = 0;
    this.#due = [];
    return waiting;
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    if (this.#running === 0 && this.#due.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle.push(resolve);
    await promise;
  }

  #pump(): void {
    while (this.#running < this.#width) {
      const key = this.#due.shift();
      if (key === undefined) break;
      const lane = this.#lanes.get(key) ?? [];
      const item = lane.shift();
      if (item === undefined) this.#lanes.delete(key);
      else {
        this.#running += 1;
        void this.#run(key, lane, item);
      }
    }
    if (this.#running > 0) return;
    for (const tell of this.#idle) tell();
    this.#idle = [];
  }

  async #run(key: string, lane: readonly Item[], item: Item): Promise<void> {
    await this.#work(item);
    this.#running -= 1;
    // To the end of the line: one busy key does not starve the others.
    if (lane.length > 0) this.#due.push(key);
    else this.#lanes.delete(key);
    this.#pump();
  }
}
