import { withDeadline } from '#platform/async/deadline.ts';
import { follow } from '#platform/async/follow.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { OvsdbClient, type OvsdbClientOptions } from './client.ts';
import { mutate, type Operation, type ResultsOf, select } from './operation.ts';
import { OvsdbReplica } from './replica.ts';
import { OpenVswitch, type VswitchTable, vswitchTables } from './vswitch-tables.ts';

export interface LiveOptions {
  /** How long ovs-vswitchd has to take it up; 5 s unless told otherwise. */
  readonly withinMs?: number;
}

interface Waiter {
  readonly configuration: number;
  readonly live: () => void;
}

/** The configuration database of ovs-vswitchd, and ovs-vswitchd behind it. Whoever makes it stops it. */
export class VswitchDatabase implements AsyncDisposable {
  readonly client: OvsdbClient;
  readonly replica: OvsdbReplica<VswitchTable>;
  readonly #waiters = new Set<Waiter>();
  readonly #halt = new AbortController();

  constructor(options: OvsdbClientOptions) {
    this.client = new OvsdbClient(options);
    this.replica = new OvsdbReplica(this.client, vswitchTables);
    const wake = (): void => {
      const current = this.#currentConfiguration();
      for (const { configuration, live } of this.#waiters) if (current >= configuration) live();
    };
    this.replica.listen({ onChange: wake, onConnected: wake });
  }

  /** Begins to connect; `replica.synced` tells when it has all there is. */
  start(): void {
    this.client.start();
  }

  /** Ends it for good; who waits is told. Never rejects. */
  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the OVSDB client is stopping'));
    this.replica[Symbol.dispose]();
    await this.client.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * As `client.transact`, and resolves once ovs-vswitchd has made it so, as ovs-vsctl does without `--no-wait`: it counts
   * `next_cfg` up and waits for `cur_cfg` to get there, whatever others count meanwhile and however often the connection is
   * lost. What ovs-vswitchd made of it is in the replica then: an interface it could not open has an `error`.
   * Rejects besides with `deadline` (`VSWITCHD_NOT_CAUGHT_UP`) when ovs-vswitchd does not within `withinMs` or the deadline
   * that `signal` stands for, and with the signal's reason when it aborts for another; the transaction is done by then.
   */
  async transactLive<const Operations extends readonly Operation[]>(
    operations: Operations,
    signal: AbortSignal,
    { withinMs = 5_000 }: LiveOptions = {},
  ): Promise<ResultsOf<Operations>> {
    const [, found, ...results] = await this.client.transact([...COUNT_UP, ...operations], signal);
    const [root] = found;
    if (root === undefined) throw noRoot();
    await this.#live(root.row.next_cfg, signal, withinMs);
    return results;
  }

  async #live(configuration: number, signal: AbortSignal, withinMs: number): Promise<void> {
    if (this.#currentConfiguration() >= configuration) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { configuration, live: resolve };
    this.#waiters.add(waiter);
    using linked = follow(signal, this.#halt.signal);
    try {
      await withDeadline(withinMs, linked.signal, () => promise);
    } catch (error) {
      throw isDeadline(error) ? notCaughtUp(configuration, this.#currentConfiguration(), error) : error;
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  /** -1: not known. */
  #currentConfiguration(): number {
    const [root] = this.replica.current ? this.replica.rows(OpenVswitch).values() : [];
    return root?.cur_cfg ?? -1;
  }
}

/** The table has one row (`maxRows`). */
const COUNT_UP = [mutate(OpenVswitch, [], [['next_cfg', '+=', 1]]), select(OpenVswitch, [], ['next_cfg'])] as const;

const isDeadline = (error: unknown): boolean =>
  error instanceof DomainError
    ? error.code === 'deadline'
    : error instanceof DOMException && error.name === 'TimeoutError';

const notCaughtUp = (wanted: number, current: number, cause: unknown): DomainError =>
  new DomainError(
    'deadline',
    'VSWITCHD_NOT_CAUGHT_UP',
    `ovs-vswitchd has not taken up configuration ${wanted.toString()}, it is at ${current.toString()}: is it running?`,
    { details: { next_cfg: wanted.toString(), cur_cfg: current.toString() }, cause },
  );

const noRoot = (): DomainError =>
  new DomainError(
    'precondition',
    'OVSDB_NOT_INITIALIZED',
    'the database has no Open_vSwitch row, which `ovs-vsctl --no-wait init` makes',
  );
