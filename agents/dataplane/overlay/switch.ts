import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { VswitchDatabase } from '../protocols/ovsdb/vswitch-database.ts';
import { Interface } from '../protocols/ovsdb/vswitch-tables.ts';
import type { ObservedHost } from './model/observed.ts';
import type { OvsChange } from './model/step.ts';
import { transactionOf } from './switch-change.ts';
import { findPort, readSwitch } from './switch-rows.ts';

/** Open vSwitch of this host, as overlays use it. */
export interface Switch {
  /** What its database has. Throws `unavailable` while there is no connection. */
  read(): Pick<ObservedHost, 'bridges' | 'ports' | 'datapathTypes'>;
  /** Resolves when ovs-vswitchd works by the change; with what is wrong when it does not. Rejects with `unavailable`. */
  change(change: OvsChange, signal: AbortSignal): Promise<string | undefined>;
  /** Resolves when ovs-vswitchd works by all that the database has. Rejects with `unavailable` or `deadline`. */
  settle(signal: AbortSignal): Promise<void>;
  /** Told of every change of the database, of a lost connection and of a new one. */
  listen(heard: () => void): Disposable;
}

/** How long after the start the first connection may take before it counts as missing. */
const FIRST_CONNECTION_MS = 2_000;

/** `Switch` over ovsdb-server's socket. The database is somebody else's to start and stop. */
export class OvsSwitch implements Switch {
  readonly #database: VswitchDatabase;
  readonly #socket: string;
  /** It was tried in vain, so that nobody need wait to hear it. */
  #isAway = false;

  constructor(database: VswitchDatabase, socket: string) {
    this.#database = database;
    this.#socket = socket;
    // For as long as the database lasts.
    database.replica.listen({
      onConnected: () => {
        this.#isAway = false;
      },
      onLost: () => {
        this.#isAway = true;
      },
    });
  }

  /** Resolves when the copy of the database is current, or cannot be, or it takes too long: then `read` says so. */
  async connected(signal: AbortSignal): Promise<void> {
    if (this.#database.replica.current || this.#isAway) return;
    const limit = AbortSignal.timeout(FIRST_CONNECTION_MS);
    await this.#database.replica.synced(limit).catch(() => undefined);
    signal.throwIfAborted();
  }

  read(): Pick<ObservedHost, 'bridges' | 'ports' | 'datapathTypes'> {
    const { replica } = this.#database;
    if (!replica.current) throw this.#unavailable();
    return readSwitch({ rows: (table) => replica.rows(table) });
  }

  async change(change: OvsChange, signal: AbortSignal): Promise<string | undefined> {
    const { replica } = this.#database;
    const rows = { rows: replica.rows.bind(replica) };
    try {
      const operations = transactionOf(rows, change);
      if (operations.length === 0) return undefined;
      await this.#database.transactLive(operations, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toError(thrown);
      if (error instanceof DomainError && error.code === 'unavailable') throw this.#unavailable(error);
      return error.message;
    }
    // The transaction is right; whether ovs-vswitchd could open the device is another matter.
    const name = change.kind === 'add-bridge' ? change.bridge : change.kind === 'add-port' ? change.port : undefined;
    const place = name === undefined ? undefined : findPort(rows, name);
    const face = place === undefined ? undefined : replica.rows(Interface).get(place.interface);
    if (face?.error !== undefined) return face.error;
    return face !== undefined && (face.ofport === undefined || face.ofport < 0)
      ? 'ovs-vswitchd did not make it, its log says why'
      : undefined;
  }

  async settle(signal: AbortSignal): Promise<void> {
    try {
      await this.#database.transactLive([], signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toError(thrown);
      throw error instanceof DomainError && error.code === 'unavailable' ? this.#unavailable(error) : error;
    }
  }

  listen(heard: () => void): Disposable {
    return this.#database.replica.listen({ onChange: heard, onConnected: heard, onLost: heard });
  }

  #unavailable(cause?: Error): DomainError {
    return new DomainError(
      'unavailable',
      'OVS_UNAVAILABLE',
      `Open vSwitch does not answer at ${this.#socket}: install it (package openvswitch-switch) or start it ` +
        '(systemctl start openvswitch-switch), or say where its sockets are with ovs-run-dir',
      { details: { socket: this.#socket }, cause },
    );
  }
}
