import type { Clock } from '#platform/async/clock.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Changes, Touched } from './changes.ts';
import { Doorbell } from './doorbell.ts';
import { listAll } from './list-all.ts';
import { again } from './loops.ts';
import { type DhcpPlacing, placeDhcp } from './place-dhcp.ts';
import type { SubnetBook } from './subnet-book.ts';

/** How often all is looked at, should a word of a change have been lost. */
const LOOK_MS = 5_000;

/** What the loop works with. */
export interface Serving extends DhcpPlacing {
  readonly subnets: Pick<SubnetBook, 'of' | 'networks' | 'look' | 'lookAtAll' | 'isKnown'>;
  readonly changes: Changes;
}

/**
 * Runs until the signal aborts: looks at ipam's subnets and places what hosts serve, at once when it hears of a change.
 * While ipam is away it goes by what it knew last.
 */
export const servingLoop = async (serving: Serving, signal: AbortSignal): Promise<void> => {
  const bell = new Doorbell();
  const agenda = new Agenda(serving.clock);
  using _listening = serving.changes.listen((touched) => {
    if (agenda.note(touched)) bell.ring();
  });
  await again(serving, bell, 'what hosts serve is placed later', () => turn(serving, agenda, signal), signal);
};

const turn = async (serving: Serving, agenda: Agenda, signal: AbortSignal): Promise<void> => {
  const due = agenda.take();
  if (due === undefined) return;
  try {
    await look(serving, due, signal);
  } catch (error) {
    agenda.everything();
    if (!serving.subnets.isKnown) throw error;
    await place(serving, undefined, signal);
    throw error;
  }
  try {
    await place(serving, due === 'everything' ? undefined : due, signal);
  } catch (error) {
    agenda.everything();
    throw error;
  }
};

const look = async (
  { subnets }: Serving,
  due: ReadonlySet<Uuid> | 'everything',
  signal: AbortSignal,
): Promise<void> => {
  if (due === 'everything') await subnets.lookAtAll(signal);
  else for (const network of due) await subnets.look(network, signal);
};

const place = async (serving: Serving, only: ReadonlySet<Uuid> | undefined, signal: AbortSignal): Promise<void> => {
  const { store, records } = serving;
  const hosts = await listAll(store, records.hosts, undefined, signal);
  await placeDhcp(serving, hosts, only, signal);
};

/** What is to be looked at. */
class Agenda {
  readonly #clock: Pick<Clock, 'now'>;
  #networks = new Set<Uuid>();
  #nextLook = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Notes what a change makes necessary, if anything. */
  note(touched: Touched): boolean {
    if (touched.kind === 'ipam') this.#networks.add(touched.networkId);
    else if (touched.kind === 'host' || touched.kind === 'everything') this.everything();
    else return false;
    return true;
  }

  everything(): void {
    this.#nextLook = 0;
  }

  /** Undefined: nothing. */
  take(): ReadonlySet<Uuid> | 'everything' | undefined {
    const networks = this.#networks;
    this.#networks = new Set();
    const now = this.#clock.now();
    if (now >= this.#nextLook) {
      this.#nextLook = now + LOOK_MS;
      return 'everything';
    }
    return networks.size === 0 ? undefined : networks;
  }
}
