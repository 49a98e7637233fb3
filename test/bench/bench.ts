import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import { labDown, labProcesses } from '../../cli/lab/index.ts';
import { table } from '../../cli/output/table.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { measureConvergence } from './convergence.ts';
import type { BenchDataplane } from './dataplane.ts';
import { checkTable, measureEntries } from './entries.ts';
import { round } from './figures.ts';
import { measureFloor } from './floor.ts';
import { inFlight } from './in-flight.ts';
import { linuxbridge } from './linuxbridge/dataplane.ts';
import { rssMb } from './memory.ts';
import { ovs } from './ovs/dataplane.ts';
import { TapMaker, tapOf } from './taps.ts';

/** Measures weft beside its floor, in one run: real processes, real kernels, the last host counted. */
const LAB = 'bench';
const { values } = parseArgs({
  options: {
    driver: { type: 'string', default: 'linuxbridge' },
    hosts: { type: 'string', default: '10' },
    ports: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '200' },
    entries: { type: 'string', default: '10000' },
    only: { type: 'string', default: '' },
    'port-security': { type: 'boolean', default: false },
  },
});
const WARM_UP = 100;
/** Ports have the state that the peers' have in their figures, MAC and IP addresses and ARP, and no checks unless asked for. */
const SECURITY = { port_security_enabled: values['port-security'] };
const HOSTS = Number(values.hosts);
const PORTS = Number(values.ports);
const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const wanted = (part: string): boolean => values.only === '' || values.only.split(',').includes(part);

/** What can be measured, and where the results go. */
const DATAPLANES: Readonly<Record<string, { readonly dataplane: BenchDataplane; readonly file: string }>> = {
  linuxbridge: { dataplane: linuxbridge, file: './results.json' },
  ovs: { dataplane: ovs, file: './results-ovs.json' },
};

const up = async (hosts: number, { driver }: BenchDataplane): Promise<LabWeft> =>
  LabWeft.up({ name: LAB, hosts, drivers: [driver], separate: true }, AbortSignal.timeout(300_000));

const convergence = async (lab: LabWeft, dataplane: BenchDataplane) => {
  const network = await lab.network({ name: 'one-by-one', ...SECURITY });
  await lab.subnet(network, '10.20.0.0/16');
  // Every host has a port of the network before the first measured one: what is measured is a port more, not a network more.
  const warm = await inFlight(HOSTS * 3, 16, async () => lab.port(network));
  await plugAll(
    lab,
    warm.map(({ id }) => id),
  );
  await lab.converged(network.id, warm.length, 60_000);
  await sleep(4_000, AbortSignal.timeout(10_000));
  // Daemons that have run for a while are what is compared: the first rounds, in which code is still compiled, do not count.
  const ports = await inFlight(WARM_UP + Number(values.rounds), 16, async () => lab.port(network));
  await measureConvergence(lab, dataplane, network, ports.slice(0, WARM_UP));
  return await measureConvergence(lab, dataplane, network, ports.slice(WARM_UP));
};

const plugAll = async (lab: LabWeft, portIds: readonly string[]): Promise<void> => {
  for (const [index, host] of lab.hosts.entries()) {
    await using taps = new TapMaker(`weft-${lab.name}-${host}`);
    taps.add(portIds.filter((_, at) => at % lab.hosts.length === index).map(tapOf));
  }
};

const bulk = async (lab: LabWeft, dataplane: BenchDataplane) => {
  const network = await lab.network({ name: 'bulk', ...SECURITY });
  await lab.subnet(network, '10.30.0.0/16');
  const warm = await inFlight(HOSTS, 16, async () => lab.port(network));
  await plugAll(
    lab,
    warm.map(({ id }) => id),
  );
  await lab.converged(network.id, warm.length, 60_000);
  await sleep(4_000, AbortSignal.timeout(10_000));
  const creating = performance.now();
  const ports = await inFlight(PORTS, 48, async () => lab.port(network));
  const createSeconds = (performance.now() - creating) / 1000;
  const started = performance.now();
  await using makers = new AsyncDisposableStack();
  for (const [index, host] of lab.hosts.entries()) {
    const taps = makers.use(new TapMaker(`weft-${lab.name}-${host}`));
    taps.add(ports.filter((_, at) => at % lab.hosts.length === index).map(({ id }) => tapOf(id)));
  }
  await lab.converged(network.id, PORTS + HOSTS, 120_000);
  const seconds = (performance.now() - started) / 1000;
  for (const [index, host] of lab.hosts.entries()) {
    const local = ports.filter((_, at) => at % lab.hosts.length === index).length + 1;
    await checkTable(lab, dataplane, host, network, PORTS + HOSTS - local);
  }
  return {
    hosts: HOSTS,
    ports: PORTS,
    seconds: round(seconds),
    ports_per_second: Math.round(PORTS / seconds),
    create_seconds: round(createSeconds),
  };
};

const ipamRate = async (lab: LabWeft) => {
  const network = await lab.network({ name: 'ipam', ...SECURITY });
  await lab.subnet(network, '10.40.0.0/14');
  const ipam = await lab.connections.ipam();
  const count = 10_000;
  const started = performance.now();
  await inFlight(count, 64, async (index) =>
    ipam.allocateAddresses({
      network_id: network.id,
      owner_id: `bench-${index.toString()}`,
      fixed_ips: [],
      request_id: '',
      validate_only: false,
    }),
  );
  return {
    allocations_per_second: Math.round(count / ((performance.now() - started) / 1000)),
    n: count,
    in_flight: 64,
  };
};

const serviceRss = async (): Promise<Record<string, number>> => {
  const processes = labProcesses({ lab: LAB, host: 'control' });
  const sizes: Record<string, number> = {};
  for (const name of ['ipam', 'topology', 'l2pop']) {
    const found = processes.find(({ argv }) => argv.some((word) => word.endsWith(`services/${name}/main.ts`)));
    if (found !== undefined) sizes[name] = round(await rssMb(found.pid));
  }
  return sizes;
};

const bench = async (): Promise<void> => {
  const chosen = DATAPLANES[values.driver];
  if (chosen === undefined) {
    throw new Error(`--driver "${values.driver}" is none of ${Object.keys(DATAPLANES).join(', ')}`);
  }
  const { dataplane, file } = chosen;
  const results: Record<string, unknown> = { time: new Date().toISOString(), node: process.version };
  say('floor: the parts alone');
  results['floor'] = { ...(await measureFloor()), ...(await dataplane.measureFloor()) };
  say(`lab with ${HOSTS.toString()} hosts, ${values.driver}`);
  await using lab = await up(HOSTS, dataplane);
  if (wanted('convergence')) {
    say(`convergence: ${values.rounds} ports, one at a time`);
    results['convergence_ms'] = await convergence(lab, dataplane);
    say(JSON.stringify(results['convergence_ms']));
  }
  if (wanted('bulk')) {
    say(`bulk: ${PORTS.toString()} ports at once`);
    results['bulk'] = await bulk(lab, dataplane);
    say(JSON.stringify(results['bulk']));
  }
  if (wanted('ipam')) {
    results['ipam'] = await ipamRate(lab);
    say(JSON.stringify(results['ipam']));
  }
  if (wanted('entries')) {
    const measured = await measureEntries(lab, dataplane, Number(values.entries), say);
    const { entries, resync } = measured;
    results['entries'] = entries;
    results['resync'] = resync;
    results['rss_mb'] = { ...measured.rssMb, ...(await serviceRss()) };
    say(JSON.stringify({ resync, rss_mb: results['rss_mb'] }));
  }
  await writeFile(new URL(file, import.meta.url), `${JSON.stringify(results, undefined, 2)}\n`);
  const rows = Object.entries(results).flatMap(([part, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([key, figure]) => [part, key, String(figure)])
      : [[part, '', String(value)]],
  );
  process.stdout.write(`${table(['PART', 'FIGURE', 'VALUE'], rows)}\n`);
};

try {
  await labDown(LAB);
  await bench();
} catch (thrown) {
  say(toError(thrown).stack ?? '');
  await labDown(LAB);
  process.exitCode = 1;
}
