import type { RouterDuty } from '../../model/router-duty.ts';
import type { EdgeTools } from '../core/apply.ts';
import type { DaemonSpec, EdgeStep, ObservedEdge, WantedLink } from '../core/model.ts';
import { namespaceName } from '../core/names.ts';
import type { EdgeService } from '../core/worker.ts';
import { Announcer } from './announcer.ts';
import type { Announced } from './announcer.ts';
import { wantedRouter } from './desired.ts';
import { isOfTable } from './nat.ts';
import { observeRouter } from './observe.ts';
import { planRouter, planRouterRemoval } from './plan.ts';
import { radvdDaemon } from './radvd.ts';
import { TableWatch } from './table-watch.ts';

/** What routers need of the host. */
export interface RouterTools extends EdgeTools {
  /** The agent's: daemons have their files in it. */
  readonly stateDir: string;
  /** Called when something of a router moved; cheap. */
  readonly suspect: (routerId: string) => void;
}

/** What is remembered of a router between two looks. */
interface Known {
  /** `device address` of all that the neighbours were told of. */
  announced: Set<string>;
  /** The table that was written last, and how this host's nft lists it. */
  written?: readonly string[];
  asListed?: readonly string[];
}

/** Routers of this host. */
export class RouterService implements EdgeService<RouterDuty> {
  readonly kind = 'router';
  readonly #tools: RouterTools;
  readonly #known = new Map<string, Known>();
  readonly #announcer = new Announcer();
  readonly #tables: TableWatch;

  constructor(tools: RouterTools) {
    this.#tools = tools;
    this.#tables = new TableWatch(tools.suspect);
  }

  idOf({ routerId }: RouterDuty): string {
    return routerId;
  }

  generationOf({ generation }: RouterDuty): number {
    return generation;
  }

  daemonsOf(duty: RouterDuty): readonly DaemonSpec[] {
    const { radvd } = wantedRouter(duty);
    return radvd === undefined ? [] : [radvdDaemon(duty.routerId, this.#folder(duty.routerId))];
  }

  async look(duty: RouterDuty, signal: AbortSignal): Promise<readonly EdgeStep[]> {
    const id = duty.routerId;
    const wanted = wantedRouter(duty);
    const before = this.#known.get(id);
    const place = { folder: this.#folder(id), withFlows: before === undefined };
    const observed = await observeRouter(this.#tools, wanted.namespace, place, signal);
    if (observed.edge.namespace === undefined) await this.#tables.off(id);
    // What was there when the agent came was told by the one before.
    const there = addressesOf(observed.edge, wanted.namespace.links);
    const known: Known = before ?? { announced: new Set(there.keys()) };
    this.#known.set(id, known);
    for (const each of known.announced) if (!there.has(each)) known.announced.delete(each);
    if (sameLines(known.written, wanted.table)) {
      // Other versions of nft list in other words: what it says right after it was written is what is meant.
      if (known.asListed === undefined && observed.table !== undefined && isOfTable(observed.table, wanted.table)) {
        known.asListed = observed.table;
      }
    } else delete known.asListed;
    const steps = planRouter(wanted, observed, { folder: place.folder, asListed: known.asListed });
    if (steps.some(({ kind }) => kind === 'write-nft-table')) {
      known.written = wanted.table;
      delete known.asListed;
    }
    if (steps.length === 0) this.#isRight(id, there, known, signal);
    return steps;
  }

  async lookRemoval(id: string, signal: AbortSignal): Promise<readonly EdgeStep[]> {
    this.#known.delete(id);
    await this.#tables.off(id);
    const folder = this.#folder(id);
    const observed = await observeRouter(this.#tools, { kind: 'router', id }, { folder, withFlows: false }, signal);
    return planRouterRemoval(id, observed, folder, 'this host does not serve the router any more');
  }

  /** Nothing of it runs afterwards but what outlives the agent. */
  async stop(): Promise<void> {
    await Promise.all([this.#announcer.stop(), this.#tables.stop()]);
  }

  #isRight(id: string, there: ReadonlyMap<string, Announced>, known: Known, signal: AbortSignal): void {
    const namespace = namespaceName('router', id);
    const fresh = [...there].filter(([key]) => !known.announced.has(key));
    this.#announcer.tell(
      namespace,
      fresh.map(([, address]) => address),
    );
    for (const [key] of fresh) known.announced.add(key);
    this.#tables.on(id, namespace, signal);
  }

  #folder(id: string): string {
    return `${this.#tools.stateDir}/routers/${id}`;
  }
}

const sameLines = (a: readonly string[] | undefined, b: readonly string[]): boolean =>
  a?.length === b.length && a.every((line, at) => line === b[at]);

/** Addresses of devices whose two ends are there, by `device address`. */
const addressesOf = (
  { namespace, taps }: ObservedEdge,
  links: readonly WantedLink[],
): ReadonlyMap<string, Announced> => {
  const found = new Map<string, Announced>();
  for (const { name: device, tap } of links) {
    const link = namespace?.links.get(device);
    if (link?.up !== true || taps.get(tap)?.up !== true) continue;
    for (const each of link.addresses) {
      const address = each.replace(/\/.*/, '');
      found.set(`${device} ${address}`, { device, address });
    }
  }
  return found;
};
