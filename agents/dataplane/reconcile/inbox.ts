import type { WorkerInput } from './worker-input.ts';

/** What has come for one network and was not taken up yet. */
export class Inbox {
  #inputs: WorkerInput[] = [];
  #waiting: PromiseWithResolvers<undefined>[] = [];
  #filled: PromiseWithResolvers<undefined> | undefined;

  get isEmpty(): boolean {
    return this.#inputs.length === 0;
  }

  some(of: (input: WorkerInput) => boolean): boolean {
    return this.#inputs.some(of);
  }

  push(input: WorkerInput): void {
    this.#inputs.push(input);
    this.#filled?.resolve(undefined);
    this.#filled = undefined;
  }

  /** Resolves once what is in it now has been taken out and done; rejects when it is given up. */
  async whenDone(): Promise<void> {
    const done = Promise.withResolvers<undefined>();
    this.#waiting.push(done);
    await done.promise;
  }

  /** Resolves when something is in it. */
  async whenFilled(): Promise<void> {
    if (!this.isEmpty) return;
    this.#filled ??= Promise.withResolvers();
    await this.#filled.promise;
  }

  /** All that is in it; `done` is to be called when it is done. */
  take(): { readonly inputs: readonly WorkerInput[]; readonly done: () => void } {
    const [inputs, waiting] = [this.#inputs, this.#waiting];
    this.#inputs = [];
    this.#waiting = [];
    const done = (): void => {
      for (const { resolve } of waiting) resolve(undefined);
    };
    return { inputs, done };
  }

  /** Those who wait wait in vain. */
  giveUp(reason: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}
