import { sleep } from '#platform/async/sleep.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { LabWeft } from '../system/lab-weft.ts';
import { figuresOf, type Figures } from './figures.ts';
import { KernelObserver } from './observer.ts';
import { TapMaker, tapOf } from './taps.ts';

interface Awaited {
  readonly port: Port;
  readonly host: string;
  tapMs: number | undefined;
  /** Per other host, when its rows were there: MAC in the FDB, and each address among the neighbours. */
  readonly rows: Map<string, { seen: number; ms: number }>;
  readonly done: PromiseWithResolvers<undefined>;
}

const ROUND_MS = 10_000;

/**
 * One port at a time: from the moment a tap appears in its host's kernel to the moment the last of the other kernels has the
 * port's FDB row and neighbours. Both ends are read by iproute2 from the kernels.
 */
export const measureConvergence = async (
  lab: LabWeft,
  network: Network,
  ports: readonly Port[],
  pauseMs = 25,
): Promise<Figures & { readonly hosts: number }> => {
  let current: Awaited | undefined;
  const vxlan = `vxlan-${network.segmentation_id.toString()}`;
  await using observer = new KernelObserver(({ host, ms, line }) => {
    if (current === undefined) return;
    if (host === current.host) {
      if (current.tapMs === undefined && line.includes(`: ${tapOf(current.port.id)}:`)) current.tapMs = ms;
      return;
    }
    // `ADDRESS dev vxlan-N lladdr MAC …`: ADDRESS is the VTEP in the FDB row, the port's address in a neighbour.
    if (!line.includes(` dev ${vxlan} lladdr ${current.port.mac_address} `) || line.startsWith('Deleted')) return;
    const rows = current.rows.get(host) ?? { seen: 0, ms: 0 };
    rows.seen += 1;
    rows.ms = ms;
    current.rows.set(host, rows);
    const needed = 1 + current.port.fixed_ips.length;
    if ([...current.rows.values()].filter(({ seen }) => seen >= needed).length === lab.hosts.length - 1)
      current.done.resolve(undefined);
  });
  const makers = new Map<string, TapMaker>();
  await using makersOwner = new AsyncDisposableStack();
  for (const host of lab.hosts) {
    const namespace = `weft-${lab.name}-${host}`;
    observer.watch(host, namespace);
    makers.set(host, makersOwner.use(new TapMaker(namespace)));
  }
  await sleep(500, AbortSignal.timeout(5_000));
  const taken: number[] = [];
  for (const [index, port] of ports.entries()) {
    const host = lab.hosts[index % lab.hosts.length] ?? '';
    current = { port, host, tapMs: undefined, rows: new Map(), done: Promise.withResolvers() };
    makers.get(host)?.add([tapOf(port.id)]);
    const timer = setTimeout(
      () =>
        current?.done.reject(new Error(`port ${port.id} on ${host}: not everywhere after ${ROUND_MS.toString()} ms`)),
      ROUND_MS,
    );
    await current.done.promise;
    clearTimeout(timer);
    // The host's own monitor may speak after the others.
    for (let wait = 0; current.tapMs === undefined && wait < 100; wait += 1) await sleep(5, AbortSignal.timeout(5_000));
    const last = Math.max(...[...current.rows.values()].map(({ ms }) => ms));
    taken.push(last - (current.tapMs ?? Number.NaN));
    await sleep(pauseMs, AbortSignal.timeout(5_000));
  }
  return { hosts: lab.hosts.length, ...figuresOf(taken) };
};
