import { notFound } from '#platform/errors/domain-error.ts';
import type { HostId } from '#platform/net/names.ts';
import { carrier, type Carrier } from '#platform/telemetry/spans.ts';
import type { Duty } from '../domain/duty.ts';
import type { Changes } from './changes.ts';
import { Doorbell } from './doorbell.ts';
import { DutyLedger } from './duty-ledger.ts';
import type { Environment } from './environment.ts';
import { type DutySources, readDuties, readSomeDuties } from './read-duties.ts';
import type { SubnetBook } from './subnet-book.ts';

/** What a host hears of its duties. */
export type DutyItem =
  | { readonly kind: 'snapshot'; readonly duty: Duty }
  | { readonly kind: 'bookmark' }
  | ({ readonly kind: 'set'; readonly duty: Duty } & Caused)
  /** As it was told last, but for the generation, which is the one that ended it where that is known. */
  | ({ readonly kind: 'ended'; readonly duty: Duty } & Caused);

/** The trace that led to it; of several changes that are told together the last one's. */
interface Caused {
  readonly cause?: Carrier;
}

/** What is needed to tell hosts of their duties. */
export interface DutyDesk extends DutySources, Pick<Environment, 'clock'> {
  readonly subnets: Pick<SubnetBook, 'of' | 'ensureKnown'>;
  readonly changes: Changes;
  /** The same for duties that are told alike. */
  readonly print: (duty: Duty) => string;
}

/** Changes come in groups: a port with its network, all ports of a host that went. */
const GATHER_MS = 30;
/** After work it rests this many times as long as that took, up to a second: a large network changes all the time. */
const REST_SHARE = 4;
const LONGEST_REST_MS = 1_000;
/** All is looked at again, should a word of a change have been lost. */
const RECHECK_MS = 10_000;

/**
 * Streams what a host has to serve: all of it, a bookmark, then what changes or ends, until the signal aborts. Computed of
 * the records each time. Throws `not_found` for a host that is not known, `unavailable` while IPAM was never reached.
 */
export async function* watchDuties(
  desk: DutyDesk,
  hostId: HostId,
  signal: AbortSignal,
): AsyncGenerator<DutyItem, void> {
  const { store, records, clock, changes } = desk;
  await desk.subnets.ensureKnown(signal);
  if ((await store.get(records.hosts, hostId, signal)) === undefined) throw notFound('host', hostId);
  const bell = new Doorbell();
  const ledger = new DutyLedger(hostId, desk.print);
  let last: Caused = {};
  using _listening = changes.listen((touched) => {
    if (!ledger.note(touched)) return;
    const cause = carrier();
    if ('traceparent' in cause) last = { cause };
    bell.ring();
  });
  for (const duty of (await readDuties(desk, hostId, signal)).values()) {
    ledger.tell(duty);
    yield { kind: 'snapshot', duty };
  }
  yield { kind: 'bookmark' };
  ledger.settle();
  let checked = clock.now();
  let restUntil = checked;
  for (;;) {
    await bell.rest(Math.max(0, checked + RECHECK_MS - clock.now()), clock, signal);
    const isDue = clock.now() >= checked + RECHECK_MS;
    if (!isDue) await clock.sleep(Math.max(GATHER_MS, restUntil - clock.now()), signal);
    const began = clock.now();
    const stale = ledger.take();
    const caused = last;
    last = {};
    if (isDue || stale === 'everything') {
      const duties = await readDuties(desk, hostId, signal);
      checked = clock.now();
      yield* told(desk, ledger, { duties, keys: ledger.keys(), caused }, signal);
    } else {
      const duties = await readSomeDuties(desk, hostId, stale, signal);
      yield* told(desk, ledger, { duties, keys: stale.keys, caused }, signal);
    }
    ledger.settle();
    restUntil = clock.now() + Math.min(LONGEST_REST_MS, REST_SHARE * (clock.now() - began));
  }
}

/** What differs of those of `keys` from what was told. */
async function* told(
  desk: DutyDesk,
  ledger: DutyLedger,
  {
    duties,
    keys,
    caused,
  }: { readonly duties: ReadonlyMap<string, Duty>; readonly keys: Iterable<string>; readonly caused: Caused },
  signal: AbortSignal,
): AsyncGenerator<DutyItem, void> {
  // What ends comes first: an address may go from one duty to another.
  for (const duty of ledger.end([...keys].filter((key) => !duties.has(key)))) {
    yield { kind: 'ended', duty: await endedBy(desk, duty, signal), ...caused };
  }
  for (const duty of duties.values()) {
    if (ledger.tell(duty)) yield { kind: 'set', duty, ...caused };
  }
}

/** A duty with the generation that ended it; where its record is gone, with its own. */
const endedBy = async ({ store, records }: DutyDesk, duty: Duty, signal: AbortSignal): Promise<Duty> => {
  switch (duty.kind) {
    case 'port-security': {
      const port = await store.get(records.ports, duty.portId, signal);
      return { ...duty, revision: port?.value.revision ?? duty.revision };
    }
    case 'dhcp-server': {
      const port = await store.get(records.ports, duty.port.portId, signal);
      return { ...duty, generation: port?.value.binding.generation ?? duty.generation };
    }
    case 'router': {
      const router = await store.get(records.routers, duty.routerId, signal);
      return { ...duty, generation: router?.value.placement.generation ?? duty.generation };
    }
  }
};
