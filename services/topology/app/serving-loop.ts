import type { Clock } from '#platform/async/clock.ts';
import type { Uuid } from '#platform/net/names.ts';
import { type Carrier, carrier, inTrace } from '#platform/telemetry/spans.ts';
import { DHCP_OWNER } from '../domain/device-owner.ts';
import type { Changes, Touched } from './changes.ts';
import { Doorbell } from './doorbell.ts';
import { listAll } from './list-all.ts';
import { again } from './loops.ts';
import { type DhcpPlacing, placeDhcp } from './place-dhcp.ts';
import { placeRouters } from './place-routers.ts';
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
    try {
      await look(serving, due, signal);
    } finally {
      // Without ipam, by what is known: a host that is down is not waited for.
      if (serving.subnets.isKnown) await caused(due.cause, () => place(serving, due, signal));
    }
  } catch (error) {
    agenda.everything();
    throw error;
  }
};

const look = async ({ subnets }: Serving, { all, networks }: Due, signal: AbortSignal): Promise<void> => {
  if (all) await subnets.lookAtAll(signal);
  else for (const [network, cause] of networks) await caused(cause, () => subnets.look(network, signal));
};

/** Within the trace that led to it, if there is one. */
const caused = <R>(cause: Carrier, work: () => R): R => ('traceparent' in cause ? inTrace(cause, work) : work());

const place = async (serving: Serving, due: Due, signal: AbortSignal): Promise<void> => {
  const { all, networks, servers, routers } = due;
  const { store, records } = serving;
  const hosts = await listAll(store, records.hosts, undefined, signal);
  const causes = new Map([...servers, ...networks]);
  if (all || causes.size > 0) await placeDhcp(serving, hosts, { all, causes }, signal);
  if (all || routers) await placeRouters(serving, hosts, signal);
};

interface Due {
  /** Whether all is. */
  readonly all: boolean;
  /** Whose subnets are to be looked at. */
  readonly networks: ReadonlyMap<Uuid, Carrier>;
  /** Networks whose DHCP is served nowhere. */
  readonly servers: ReadonlyMap<Uuid, Carrier>;
  /** Whether there is a router that is served nowhere. */
  readonly routers: boolean;
  /** The trace that led to it, where it is not said with a network; of several the last. */
  readonly cause: Carrier;
}

/** What is to be looked at. */
class Agenda {
  readonly #clock: Pick<Clock, 'now'>;
  #networks = new Map<Uuid, Carrier>();
  #servers = new Map<Uuid, Carrier>();
  #routers = false;
  #cause: Carrier = {};
  #nextLook = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Notes what a change makes necessary, if anything. */
  note(touched: Touched): boolean {
    const cause = carrier();
    if (touched.kind === 'ipam') this.#networks.set(touched.networkId, cause);
    else if (touched.kind === 'port' && touched.deviceOwner === DHCP_OWNER && touched.hostId === undefined) {
      this.#servers.set(touched.networkId, cause);
    } else if (touched.kind === 'router' && touched.hostId === undefined) {
      this.#routers = true;
      this.#cause = cause;
    } else if (touched.kind === 'host' || touched.kind === 'everything') {
      this.everything();
      this.#cause = cause;
    } else return false;
    return true;
  }

  everything(): void {
    this.#nextLook = 0;
  }

  /** Undefined: nothing. */
  take(): Due | undefined {
    const [networks, servers, routers, cause] = [this.#networks, this.#servers, this.#routers, this.#cause];
    this.#networks = new Map();
    this.#servers = new Map();
    this.#routers = false;
    this.#cause = {};
    const now = this.#clock.now();
    const all = now >= this.#nextLook;
    if (all) this.#nextLook = now + LOOK_MS;
    if (!all && networks.size + servers.size === 0 && !routers) return undefined;
    return { all, networks, servers, routers, cause };
  }
}
