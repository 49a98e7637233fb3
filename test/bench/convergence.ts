import { sleep } from '#platform/async/sleep.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { LabWeft } from '../system/lab-weft.ts';
import { figuresOf, type Figures } from './figures.ts';
import { KernelObserver, type Sighting } from './observer.ts';
import { TapMaker, tapOf } from './taps.ts';

/** What is known of one round: when its tap was there, and when each other host had how many of its rows. */
interface Round {
  readonly port: Port;
  readonly host: string;
  tapMs: number | undefined;
  readonly rows: Map<string, { seen: number; ms: number }>;
}

/** How long a round is left alone before what was seen is read, and after that between two looks. */
const QUIET_MS = 60;
const LOOK_MS = 20;
const ROUND_MS = 10_000;

/**
 * One port at a time: from the moment a tap appears in its host's kernel to the moment the last of the other kernels has the
 * port's FDB row and neighbours. Both ends are read by iproute2 from the kernels.
 */
export const measureConvergence = async (
  lab: LabWeft,
  network: Network,
  ports: readonly Port[],
): Promise<Figures & { readonly hosts: number }> => {
  await using observer = new KernelObserver();
  await using makersOwner = new AsyncDisposableStack();
  const makers = new Map<string, TapMaker>();
  for (const host of lab.hosts) {
    const namespace = `weft-${lab.name}-${host}`;
    observer.watch(host, namespace);
    makers.set(host, makersOwner.use(new TapMaker(namespace)));
  }
  await pause(500);
  const vxlan = `vxlan-${network.segmentation_id.toString()}`;
  const taken: number[] = [];
  for (const [index, port] of ports.entries()) {
    const host = lab.hosts[index % lab.hosts.length] ?? '';
    const round: Round = { port, host, tapMs: undefined, rows: new Map() };
    makers.get(host)?.add([tapOf(port.id)]);
    await pause(QUIET_MS);
    const deadline = performance.now() + ROUND_MS;
    for (;;) {
      for (const sighting of observer.take()) note(round, sighting, vxlan);
      const ms = durationOf(round, lab.hosts.length - 1);
      if (ms !== undefined) {
        taken.push(ms);
        break;
      }
      if (performance.now() > deadline) throw new Error(`port ${port.id} on ${host} is not everywhere`);
      await pause(LOOK_MS);
    }
  }
  return { hosts: lab.hosts.length, ...figuresOf(taken) };
};

const note = (round: Round, { host, ms, line }: Sighting, vxlan: string): void => {
  const { port } = round;
  if (host === round.host) {
    if (line.includes(`: ${tapOf(port.id)}:`)) round.tapMs ??= ms;
    return;
  }
  // `ADDRESS dev vxlan-N lladdr MAC …`: ADDRESS is the VTEP in the FDB row, the port's address in a neighbour.
  if (!line.includes(` dev ${vxlan} lladdr ${port.mac_address} `)) return;
  if (line.startsWith('dev ') || line.startsWith('Deleted')) return;
  const rows = round.rows.get(host) ?? { seen: 0, ms: 0 };
  rows.seen += 1;
  rows.ms = ms;
  round.rows.set(host, rows);
};

/** Undefined until every other host has the FDB row and all neighbours. */
const durationOf = ({ port, tapMs, rows }: Round, others: number): number | undefined => {
  const needed = 1 + port.fixed_ips.length;
  const done = [...rows.values()].filter(({ seen }) => seen >= needed);
  if (tapMs === undefined || done.length < others) return undefined;
  return Math.max(...done.map(({ ms }) => ms)) - tapMs;
};

const pause = async (ms: number): Promise<void> => {
  await sleep(ms, AbortSignal.timeout(60_000));
};
