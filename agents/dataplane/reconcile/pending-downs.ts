import { DomainError } from '#platform/errors/domain-error.ts';
import { z } from 'zod';
import type { PortRegistry } from '../model/control-plane.ts';
import type { StateFiles } from '../model/state-files.ts';

/** A port whose device went and whose end the registry has not acknowledged. */
export interface PendingDown {
  readonly portId: string;
  readonly generation: bigint;
  readonly device: string;
}

const FILE = 'pending-downs.json';
const Saved = z.array(
  z.object({ portId: z.string(), generation: z.string().regex(/^\d+$/).transform(BigInt), device: z.string() }),
);

/** Ends of ports that still have to be reported, on disk until they are. */
export class PendingDowns {
  readonly #files: StateFiles;
  readonly #downs = new Map<string, PendingDown>();
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(files: StateFiles) {
    this.#files = files;
  }

  async load(): Promise<void> {
    const text = await this.#files.read(FILE);
    if (text === undefined) return;
    const saved = Saved.safeParse(JSON.parse(text));
    for (const down of saved.data ?? []) this.#downs.set(down.portId, down);
  }

  get devices(): readonly string[] {
    return [...this.#downs.values()].map(({ device }) => device);
  }

  async add(down: PendingDown): Promise<void> {
    this.#downs.set(down.portId, down);
    await this.#save();
  }

  /**
   * Reports what is pending about a device; forgets it once it is acknowledged, or the port is no more. Throws when it must
   * be tried again. To be called before the device is reported up again: the words must arrive in their order.
   */
  async report(device: string, registry: PortRegistry, signal: AbortSignal): Promise<void> {
    const pending = [...this.#downs.values()].filter((down) => down.device === device);
    for (const down of pending) {
      try {
        await registry.portDown(down, signal);
      } catch (thrown) {
        if (!(thrown instanceof DomainError && thrown.code === 'not_found')) throw thrown;
      }
      if (this.#downs.get(down.portId) === down) this.#downs.delete(down.portId);
    }
    if (pending.length > 0) await this.#save();
  }

  /** All that ask while a write runs share the next one. */
  async #save(): Promise<void> {
    this.#next ??= this.#writing.then(async () => {
      this.#next = undefined;
      const downs = [...this.#downs.values()].map((down) => ({ ...down, generation: String(down.generation) }));
      this.#writing = this.#files.write(FILE, JSON.stringify(downs));
      await this.#writing;
    });
    await this.#next;
  }
}
