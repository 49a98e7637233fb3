import { z } from 'zod';
import { parseIp } from '#platform/net/ip-address.ts';
import { labRun, type LabTarget, type RunResult } from '../../cli/lab/index.ts';

/** What a host's kernel holds of one VXLAN device and its bridge, read with iproute2 alone: the tests' own eyes. */
export interface KernelTables {
  /** MAC → VTEP. */
  readonly fdb: ReadonlyMap<string, string>;
  /** IP → MAC. */
  readonly neighbours: ReadonlyMap<string, string>;
  readonly flood: readonly string[];
}

/** Runs a command in a place of a lab; throws what it wrote when it fails. */
export const inPlace = async (target: LabTarget, argv: readonly string[], deadlineMs = 15_000): Promise<string> => {
  const result = await tryInPlace(target, argv, deadlineMs);
  if (result.exitCode !== 0)
    throw new Error(`${argv.join(' ')}: exit ${result.exitCode.toString()}: ${result.stderr}${result.stdout}`);
  return result.stdout;
};

/** As `inPlace`, whatever the exit code. */
export const tryInPlace = async (target: LabTarget, argv: readonly string[], deadlineMs = 15_000): Promise<RunResult> =>
  await labRun(target, argv, { deadlineMs }, AbortSignal.timeout(deadlineMs + 1_000));

const FdbRows = z.array(
  z.object({ mac: z.string().optional(), dst: z.string().optional(), master: z.string().optional() }),
);
const NeighRows = z.array(z.object({ dst: z.string(), lladdr: z.string().optional(), state: z.array(z.string()) }));
const Links = z.array(z.object({ ifname: z.string() }));

const ZERO = '00:00:00:00:00:00';

/** The rows of a VXLAN device. */
export const kernelTables = async (lab: string, host: string, vxlan: string): Promise<KernelTables> => {
  const at = { lab, host };
  const fdbRows = FdbRows.parse(JSON.parse(await inPlace(at, ['bridge', '-json', 'fdb', 'show', 'dev', vxlan])));
  const neighRows = NeighRows.parse(
    JSON.parse(await inPlace(at, ['ip', '-json', 'neigh', 'show', 'dev', vxlan, 'nud', 'permanent'])),
  );
  const fdb = new Map<string, string>();
  const flood: string[] = [];
  for (const { mac, dst } of fdbRows) {
    if (mac === undefined || dst === undefined) continue;
    const vtep = parseIp('dst', dst);
    if (mac === ZERO) flood.push(vtep);
    else fdb.set(mac, vtep);
  }
  const neighbours = new Map(neighRows.map(({ dst, lladdr }) => [parseIp('dst', dst) as string, lladdr ?? '']));
  return { fdb, neighbours, flood: flood.sort() };
};

/** Names of a host's network devices. */
export const deviceNames = async (lab: string, host: string): Promise<readonly string[]> =>
  Links.parse(JSON.parse(await inPlace({ lab, host }, ['ip', '-json', 'link', 'show']))).map(({ ifname }) => ifname);
