import { notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { TableState } from '../domain/table.ts';
import type { NetworkIndex, TableReader } from './ports.ts';

export interface StatesPage {
  readonly states: readonly TableState[];
  /** The last id of this page when there may be more. */
  readonly next?: Uuid;
}

/** Reading tables' states. */
export class TableQueries {
  readonly #reader: TableReader;
  readonly #index: NetworkIndex;

  constructor(reader: TableReader, index: NetworkIndex) {
    this.#reader = reader;
    this.#index = index;
  }

  /** Throws `not_found` for a network that is not known. */
  async state(networkId: Uuid, signal: AbortSignal): Promise<TableState> {
    const [known, [state]] = await Promise.all([
      this.#index.has(networkId, signal),
      this.#reader.states([networkId], signal),
    ]);
    if (!known || state === undefined) throw notFound('network', networkId);
    return state;
  }

  /** In network id order. */
  async states(after: string | undefined, limit: number, signal: AbortSignal): Promise<StatesPage> {
    const ids = await this.#index.list(after, limit + 1, signal);
    const wanted = ids.slice(0, limit);
    const states = await this.#reader.states(wanted, signal);
    const last = wanted.at(-1);
    return { states, ...(ids.length > wanted.length && last !== undefined && { next: last }) };
  }
}
