import { sleep } from '#platform/async/sleep.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { LabWeft } from '../system/lab-weft.ts';
import type { BenchDataplane, Observer, Sighting } from './dataplane.ts';
import { figuresOf, type Figures } from './figures.ts';
import { TapMaker, tapOf } from './taps.ts';

/** How long a round is left alone before what was seen is read, and after that between two looks. */
const QUIET_MS = 60;
const LOOK_MS = 20;
const ROUND_MS = 10_000;

/**
 * One port at a time: from the moment a tap appears in its host's kernel to the moment the last of the other hosts has all
 * rows of the port, MAC address and IP addresses. Both ends are told by the hosts' kernels or switches, not by weft.
 */
export const measureConvergence = async (
  lab: LabWeft,
  dataplane: BenchDataplane,
  network: Network,
  ports: readonly Port[],
): Promise<Figures & { readonly hosts: number }> => {
  await using observer = await dataplane.observe(lab, network);
  await using makersOwner = new AsyncDisposableStack();
  const makers = new Map<string, TapMaker>();
  for (const host of lab.hosts) makers.set(host, makersOwner.use(new TapMaker(`weft-${lab.name}-${host}`)));
  const taken: number[] = [];
  for (const [index, port] of ports.entries()) {
    const host = lab.hosts[index % lab.hosts.length] ?? '';
    const round = new Round(observer, lab.hosts, port, host);
    makers.get(host)?.add([tapOf(port.id)]);
    await pause(QUIET_MS);
    const deadline = performance.now() + ROUND_MS;
    for (;;) {
      for (const sighting of await observer.take()) round.note(sighting);
      if (round.ms !== undefined) break;
      if (performance.now() > deadline) throw new Error(`port ${port.id} on ${host} is not everywhere`);
      await pause(LOOK_MS);
    }
    taken.push(round.ms);
  }
  return { hosts: lab.hosts.length, ...figuresOf(taken) };
};

/** What is known of one port: when its tap was there, and since when each other host has which of its rows. */
class Round {
  readonly #host: string;
  readonly #tap: string;
  /** By host, rows that are not there yet. */
  readonly #missing: ReadonlyMap<string, Set<string>>;
  #tapMs: number | undefined;
  #lastMs = 0;

  constructor(observer: Observer, hosts: readonly string[], port: Port, host: string) {
    this.#host = host;
    this.#tap = observer.tapOf(port);
    const rows = observer.rowsOf(port, host);
    this.#missing = new Map(hosts.filter((other) => other !== host).map((other) => [other, new Set(rows)]));
  }

  note({ host, ms, what }: Sighting): void {
    if (host === this.#host) {
      if (what === this.#tap) this.#tapMs ??= ms;
    } else if (this.#missing.get(host)?.delete(what) === true) this.#lastMs = Math.max(this.#lastMs, ms);
  }

  /** From its tap to its last row; undefined as long as one is missing. */
  get ms(): number | undefined {
    const isDone = [...this.#missing.values()].every(({ size }) => size === 0);
    return isDone && this.#tapMs !== undefined ? this.#lastMs - this.#tapMs : undefined;
  }
}

const pause = async (ms: number): Promise<void> => {
  await sleep(ms, AbortSignal.timeout(60_000));
};
