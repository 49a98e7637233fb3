import { randomUUID } from 'node:crypto';
import { aborted } from '#platform/async/aborted.ts';
import type { DomainError } from '#platform/errors/domain-error.ts';
import type { OvsdbClient, OvsdbSession } from './client.ts';
import type { Row, Table } from './column.ts';
import { ReplicatedRows, type RowChange } from './replicated-rows.ts';
import type { Outcome, RpcConnection } from './rpc-connection.ts';
import { isUuid, type Uuid, ZERO_UUID } from './uuid.ts';
import { asArray, type Json, malformed } from './wire.ts';

/** Who follows a replica; called synchronously, so that `rows` is what the changes led to, and must not throw. */
export interface ReplicaListener<T extends Table> {
  /** What a transaction changed, or what had changed while there was no connection; one change a row, never none. */
  onChange?(changes: readonly RowChange<T>[]): void;
  /** The copy is complete and current, also after what was missed has been told by `onChange`. */
  onConnected?(): void;
  /** From now on the copy may be out of date: it stays as it is. Told once until `onConnected`. */
  onLost?(error: DomainError): void;
}

/** How the server is asked to tell of changes: since a transaction (OVS 2.12 and later), or else from the start. */
type Method = 'monitor_cond_since' | 'monitor_cond';

/**
 * A copy of some tables of a database, kept current by its monitor (ovsdb-server(7) §4.1.12 to 4.1.16). After a lost
 * connection it takes up where it was, or compares all there is with what it has: either way its listeners hear of what
 * changed and of nothing else. What a `transact` of the same client did is in the copy before that resolves.
 */
export class OvsdbReplica<T extends Table> implements Disposable {
  readonly #client: OvsdbClient;
  readonly #tables: readonly T[];
  readonly #rows: ReplicatedRows<T>;
  readonly #listeners = new Set<ReplicaListener<T>>();
  /** Unique among those of a connection. */
  readonly #monitorId = randomUUID();
  readonly #attachment: Disposable;
  #connection: RpcConnection | undefined;
  #lastTransaction = ZERO_UUID;
  #current = false;
  /** The listeners know that the copy may be out of date. */
  #outage = false;
  #becameCurrent = Promise.withResolvers<void>();

  constructor(client: OvsdbClient, tables: readonly T[]) {
    this.#client = client;
    this.#tables = tables;
    this.#rows = new ReplicatedRows(tables);
    const session: OvsdbSession = {
      connected: (connection) => {
        this.#connection = connection;
        this.#monitor(connection, 'monitor_cond_since');
      },
      notified: (method, params) => {
        this.#notified(method, params);
      },
      lost: (error) => {
        this.#lost(error);
      },
    };
    this.#attachment = client.attach(session);
  }

  /** Listens until disposed. */
  listen(listener: ReplicaListener<T>): Disposable {
    this.#listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(listener);
      },
    };
  }

  /** The rows of a table by their UUID: a view that changes with the copy, out of date unless `current`. */
  rows<U extends T>(table: U): ReadonlyMap<Uuid, Row<U>> {
    return this.#rows.of(table);
  }

  /** Whether the copy is complete and the server tells of every change. */
  get current(): boolean {
    return this.#current;
  }

  /** Resolves once the copy is current; rejects with the signal's reason. */
  async synced(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    using abort = aborted(signal);
    while (!this.#current) await Promise.race([this.#becameCurrent.promise, abort.promise]);
  }

  /** Follows the server no more. */
  [Symbol.dispose](): void {
    this.#attachment[Symbol.dispose]();
    this.#listeners.clear();
  }

  #monitor(connection: RpcConnection, method: Method): void {
    const requests = Object.fromEntries(
      this.#tables.map(({ name, columns }) => [name, [{ columns: Object.keys(columns) }]]),
    );
    const params: Json[] = [this.#client.database, this.#monitorId, requests];
    if (method === 'monitor_cond_since') params.push(this.#lastTransaction);
    connection.request(method, params, (outcome) => {
      this.#answered(connection, method, outcome);
    });
  }

  #answered(connection: RpcConnection, method: Method, outcome: Outcome): void {
    if (connection !== this.#connection) return;
    if ('error' in outcome) {
      const unknown = outcome.error.details['error'] === 'unknown method';
      if (unknown && method === 'monitor_cond_since') this.#monitor(connection, 'monitor_cond');
      else connection.fail(outcome.error);
      return;
    }
    const { result } = outcome;
    const taken = this.#take(connection, () =>
      method === 'monitor_cond' ? this.#rows.replace(result) : this.#resume(result),
    );
    if (!taken) return;
    this.#current = true;
    this.#outage = false;
    this.#becameCurrent.resolve();
    for (const listener of this.#listeners) listener.onConnected?.();
  }

  /** `[found, last-txn-id, table-updates2]` */
  #resume(result: unknown): readonly RowChange<T>[] {
    const [found, last, updates] = asArray(result) ?? [];
    if (typeof found !== 'boolean') throw malformed('the result of monitor_cond_since', result, 'is not one');
    const changes = found ? this.#rows.update(updates) : this.#rows.replace(updates);
    this.#remember(last);
    return changes;
  }

  #notified(method: string, params: readonly unknown[]): void {
    const [id, ...rest] = params;
    const connection = this.#connection;
    if (id !== this.#monitorId || connection === undefined) return;
    if (method === 'update2') this.#take(connection, () => this.#rows.update(rest[0]));
    else if (method === 'update3') {
      this.#take(connection, () => {
        const changes = this.#rows.update(rest[1]);
        this.#remember(rest[0]);
        return changes;
      });
    } else if (method === 'monitor_canceled') connection.fail(new Error('the server gave up the monitor'));
  }

  /** Takes what the server said and tells of it; what cannot be understood makes it begin anew, with all there is. */
  #take(connection: RpcConnection, read: () => readonly RowChange<T>[]): boolean {
    let changes: readonly RowChange<T>[];
    try {
      changes = read();
    } catch (error) {
      this.#lastTransaction = ZERO_UUID;
      connection.fail(error);
      return false;
    }
    if (changes.length > 0) for (const listener of this.#listeners) listener.onChange?.(changes);
    return true;
  }

  #remember(transaction: unknown): void {
    this.#lastTransaction = isUuid(transaction) ? transaction : ZERO_UUID;
  }

  #lost(error: DomainError): void {
    this.#connection = undefined;
    if (this.#current) this.#becameCurrent = Promise.withResolvers<void>();
    this.#current = false;
    if (this.#outage) return;
    this.#outage = true;
    for (const listener of this.#listeners) listener.onLost?.(error);
  }
}
