import type { Clock } from '#platform/async/clock.ts';
import type { Uuid } from '#platform/net/names.ts';
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
      if (serving.subnets.isKnown) await place(serving, due, signal);
    }
  } catch (error) {
    agenda.everything();
    throw error;
  }
};

const look = async ({ subnets }: Serving, { networks }: Due, signal: AbortSignal): Promise<void> => {
  if (networks === 'all') await subnets.lookAtAll(signal);
  else for (const network of networks) await subnets.look(network, signal);
};

const place = async (serving: Serving, { networks, servers, routers }: Due, signal: AbortSignal): Promise<void> => {
  const { store, records } = serving;
  const hosts = await listAll(store, records.hosts, undefined, signal);
  const only = networks === 'all' ? undefined : networks.union(servers);
  if (only?.size !== 0) await placeDhcp(serving, hosts, only, signal);
  if (routers || networks === 'all') await placeRouters(serving, hosts, signal);
};

interface Due {
  /** Whose subnets are to be looked at. */
  readonly networks: ReadonlySet<Uuid> | 'all';
  /** Networks whose DHCP is served nowhere. */
  readonly servers: ReadonlySet<Uuid>;
  /** Whether there is a router that is served nowhere. */
  readonly routers: boolean;
}

/** What is to be looked at. */
class Agenda {
  readonly #clock: Pick<Clock, 'now'>;
  #networks = new Set<Uuid>();
  #servers = new Set<Uuid>();
  #routers = false;
  #nextLook = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Notes what a change makes necessary, if anything. */
  note(touched: Touched): boolean {
    if (touched.kind === 'ipam') this.#networks.add(touched.networkId);
    else if (touched.kind === 'host' || touched.kind === 'everything') this.everything();
    else if (touched.kind === 'router' && touched.hostId === undefined) this.#routers = true;
    else if (touched.kind === 'port' && touched.deviceOwner === DHCP_OWNER && touched.hostId === undefined) {
      this.#servers.add(touched.networkId);
    } else return false;
    return true;
  }

  everything(): void {
    this.#nextLook = 0;
  }

  /** Undefined: nothing. */
  take(): Due | undefined {
    const [networks, servers, routers] = [this.#networks, this.#servers, this.#routers];
    this.#networks = new Set();
    this.#servers = new Set();
    this.#routers = false;
    const now = this.#clock.now();
    if (now >= this.#nextLook) {
      this.#nextLook = now + LOOK_MS;
      return { networks: 'all', servers, routers };
    }
    return networks.size + servers.size === 0 && !routers ? undefined : { networks, servers, routers };
  }
}
