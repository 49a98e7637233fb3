import { randomUUID } from 'node:crypto';
import { sleep } from '#platform/async/sleep.ts';
import { Host, type Network } from '#proto/weft/topology/v1/topology.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import { agentKill9, agentStart, labProcesses } from '../../cli/lab/index.ts';
import type { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';
import { inFlight } from './in-flight.ts';
import type { BenchDataplane } from './dataplane.ts';
import { FAR_VTEP } from './far-entries.ts';
import { round } from './figures.ts';
import { rssMb } from './memory.ts';
import { TapMaker, tapOf } from './taps.ts';

export interface EntriesResult {
  readonly entries: {
    readonly count: number;
    readonly seconds: number;
    readonly floor_seconds: number;
    readonly floor_neighbours_seconds: number;
  };
  readonly resync: {
    readonly entries: number;
    readonly seconds: number;
    readonly operations: number;
    readonly pings_sent: number;
    readonly pings_lost: number;
  };
  /** Of the agent, and of what else serves the dataplane, on the host that holds the entries. */
  readonly rssMb: Readonly<Record<string, number>>;
}

/** A network whose many ports are on a host that is no more than a record: what a large site looks like to one host. */
export const measureEntries = async (
  lab: LabWeft,
  dataplane: BenchDataplane,
  count: number,
  say: (line: string) => void,
): Promise<EntriesResult> => {
  const topology = await lab.connections.topology();
  const far = Host.fromPartial({ id: 'far', vtep_address: FAR_VTEP, driver: Driver.DRIVER_LINUXBRIDGE });
  await topology.createHost({ host: far, request_id: randomUUID(), validate_only: false });
  const network = await lab.network({ name: 'large' });
  await lab.subnet(network, '10.0.0.0/8');
  say(`making ${count.toString()} ports on a far host`);
  await inFlight(count, 48, async () => lab.port(network, { binding_host_id: 'far' }));
  const [here = '', there = ''] = lab.hosts;
  await settledTable(lab, network.id, count);
  const floor = await dataplane.measureRawTable(lab, here, count);
  const seconds = await firstPort(lab, network, here, count);
  await checkTable(lab, dataplane, here, network, count);
  say(
    `${count.toString()} entries on ${here} in ${seconds.toFixed(2)} s; its own tools alone ${floor.seconds.toFixed(2)} s, ` +
      `of neighbours ${floor.neighboursSeconds.toFixed(2)} s`,
  );
  const sizes = { agent: await rssOfAgent(lab.name, here), ...(await dataplane.memory(lab, here)) };
  const resync = await restart(lab, network, here, there, count);
  return {
    entries: {
      count,
      seconds: round(seconds),
      floor_seconds: round(floor.seconds),
      floor_neighbours_seconds: round(floor.neighboursSeconds),
    },
    resync,
    rssMb: Object.fromEntries(Object.entries(sizes).map(([name, mb]) => [name, round(mb)])),
  };
};

/** Throws unless the host holds so many ports of other hosts, by its own tools' word. */
export const checkTable = async (
  lab: LabWeft,
  dataplane: BenchDataplane,
  host: string,
  network: Network,
  count: number,
): Promise<void> => {
  const { macs, addresses } = await dataplane.remoteTable(lab, host, network);
  if (macs === count && addresses === count) return;
  const [held, known] = [macs.toString(), addresses.toString()];
  throw new Error(`${host} has ${held} MAC addresses and ${known} IP addresses of others, not ${count.toString()}`);
};

const settledTable = async (lab: LabWeft, networkId: string, count: number): Promise<void> => {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const { entry_count } = await lab.state(networkId);
    if (entry_count === count) return;
    await sleep(100, AbortSignal.timeout(5_000));
  }
  throw new Error(`l2pop's table did not reach ${count.toString()} entries`);
};

/** From the tap of the host's first port of a network to its word that the kernel holds all of it. */
const firstPort = async (lab: LabWeft, network: Network, host: string, count: number): Promise<number> => {
  const port = await lab.port(network);
  await using taps = new TapMaker(`weft-${lab.name}-${host}`);
  const l2pop = await lab.connections.l2pop();
  const started = performance.now();
  taps.add([tapOf(port.id)]);
  for (;;) {
    const state = await l2pop.getNetworkState({ network_id: network.id });
    const mine = state.hosts.find(({ host_id }) => host_id === host);
    if (state.entry_count === count + 1 && mine?.acked_revision === state.revision)
      return (performance.now() - started) / 1000;
    if (performance.now() - started > 120_000)
      throw new Error(`${host} did not acknowledge ${count.toString()} entries`);
    await sleep(5, AbortSignal.timeout(5_000));
  }
};

/** Kills the agent under a ping every 5 ms between two hosts and starts it again. */
const restart = async (
  lab: LabWeft,
  network: Network,
  here: string,
  there: string,
  count: number,
): Promise<EntriesResult['resync']> => {
  const near = await lab.port(network);
  const remote = await lab.port(network);
  await lab.boot('near', here, near, network);
  await lab.boot('remote', there, remote, network);
  await untilPing(lab.name, 'near', remote.fixed_ips[0]?.ip_address ?? '');
  await sleep(3_000, AbortSignal.timeout(10_000));
  const pings = ping(lab.name, 'near', remote.fixed_ips[0]?.ip_address ?? '', 2_000, 5);
  await sleep(1_000, AbortSignal.timeout(5_000));
  await agentKill9({ lab: lab.name, host: here }, AbortSignal.timeout(10_000));
  const started = performance.now();
  await agentStart({ lab: lab.name, host: here }, AbortSignal.timeout(60_000));
  const agent = await lab.connections.agent(here);
  let operations = -1;
  for (;;) {
    const state = await agent.getHostState({}).catch(() => undefined);
    const held = state?.networks.find(({ network_id }) => network_id === network.id);
    if (
      state !== undefined &&
      held?.audit_time !== undefined &&
      state.ports.some(({ port_id, plugged }) => port_id === near.id && plugged)
    ) {
      operations = Number(state.operation_count);
      break;
    }
    if (performance.now() - started > 60_000) throw new Error(`the agent of ${here} did not come back`);
    await sleep(10, AbortSignal.timeout(5_000));
  }
  const seconds = (performance.now() - started) / 1000;
  const { sent, received } = await pings;
  await lab.kill('near');
  await lab.kill('remote');
  return { entries: count, seconds: round(seconds), operations, pings_sent: sent, pings_lost: sent - received };
};

const untilPing = async (lab: string, guest: string, address: string): Promise<void> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { received } = await ping(lab, guest, address, 1, 20);
    if (received === 1) return;
  }
  throw new Error(`${guest} does not reach ${address}`);
};

const rssOfAgent = async (lab: string, host: string): Promise<number> => {
  const agent = labProcesses({ lab, host }).find(({ argv }) =>
    argv.some((word) => word.endsWith('agents/dataplane/main.ts')),
  );
  return agent === undefined ? Number.NaN : await rssMb(agent.pid);
};
