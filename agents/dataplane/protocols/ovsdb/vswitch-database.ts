import { withDeadline } from '#platform/async/deadline.ts';
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

  constructor(options: OvsdbClientOptions) {
    this.client = new OvsdbClient(options);
    this.replica = new OvsdbReplica(this.client, vswitchTables);
    this.replica.listen({
      onChange: (changes) => {
        if (this.#waiters.size > 0 && changes.some(({ table }) => table === 'Open_vSwitch')) this.#wake();
      },
    });
  }

  /** Begins to connect; `replica.synced` tells when it has all there is. */
  start(): void {
    this.client.start();
  }

  /** Ends it for good. Never rejects. */
  async stop(): Promise<void> {
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
   * Rejects besides with `deadline` (`VSWITCHD_NOT_CAUGHT_UP`) when ovs-vswitchd does not within `withinMs`, or before
   * `signal` aborts because of a deadline of its own; and with the signal's reason. The transaction is done in both cases.
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
    return results as unknown as ResultsOf<Operations>;
  }

  async #live(configuration: number, signal: AbortSignal, withinMs: number): Promise<void> {
    if (this.#currentConfiguration() >= configuration) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { configuration, live: resolve };
    this.#waiters.add(waiter);
    try {
      await withDeadline(withinMs, signal, () => promise);
    } catch (error) {
      throw isDeadline(error) ? notCaughtUp(configuration, this.#currentConfiguration(), error) : error;
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  #wake(): void {
    const current = this.#currentConfiguration();
    for (const { configuration, live } of this.#waiters) if (current >= configuration) live();
  }

  /** -1: not known. */
  #currentConfiguration(): number {
    const [root] = this.replica.rows(OpenVswitch).values();
    return root?.cur_cfg ?? -1;
  }
}

/** The table has one row (`maxRows`). */
const COUNT_UP = [mutate(OpenVswitch, [], [['next_cfg', '+=', 1]]), select(OpenVswitch, [], ['next_cfg'])] as const;

const isDeadline = (error: unknown): boolean =>
  error instanceof DomainError ? error.code === 'deadline' : error instanceof DOMException && error.name === 'TimeoutError';

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
