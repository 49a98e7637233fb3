import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { client, type RpcClient } from '#platform/rpc/client.ts';
import { LAB_PORTS } from '../../../cli/lab-processes.ts';
import { processAdd } from '../../../cli/lab/index.ts';
import type { LabWeft } from '../../system/lab-weft.ts';

const SERVICES = ['ipam', 'topology', 'l2pop'] as const;

/** The name of a second replica's process in the lab. */
export const secondOf = (service: (typeof SERVICES)[number]): string => `${service}-2`;

/** Clients of one replica of each service. */
export interface Replica extends Disposable {
  readonly ipam: RpcClient<typeof IpamServiceService>;
  readonly topology: RpcClient<typeof TopologyServiceService>;
  readonly l2pop: RpcClient<typeof L2populationServiceService>;
}

const replicaAt = (addressOf: (service: (typeof SERVICES)[number]) => string): Replica => {
  const ipam = client(IpamServiceService, addressOf('ipam'));
  const topology = client(TopologyServiceService, addressOf('topology'));
  const l2pop = client(L2populationServiceService, addressOf('l2pop'));
  const close = (): void => {
    for (const each of [ipam, topology, l2pop]) each.close();
  };
  return { ipam, topology, l2pop, [Symbol.dispose]: close };
};

/** Clients of the replicas that the lab started. */
export const firstReplica = (weft: LabWeft): Replica =>
  replicaAt((service) => `unix:${join(weft.lab.control.dataDir, `${service}.sock`)}`);

/** Starts another replica of each service beside those of the lab, on the same Redis and NATS, and connects to them. */
export const startSecondReplica = async (weft: LabWeft, signal: AbortSignal): Promise<Replica> => {
  const { address, dataDir } = weft.lab.control;
  const socketOf = (service: (typeof SERVICES)[number]): string => join(dataDir, `${secondOf(service)}.sock`);
  const flags = {
    ipam: [],
    topology: ['--ipam-address', `unix:${socketOf('ipam')}`],
    l2pop: ['--topology-address', `unix:${socketOf('topology')}`],
  } as const;
  for (const service of SERVICES) {
    const spec = {
      name: secondOf(service),
      argv: [
        process.execPath,
        fileURLToPath(new URL(`../../../services/${service}/main.ts`, import.meta.url)),
        ...['--listen', `unix:${socketOf(service)}`, '--redis', join(dataDir, 'redis.sock')],
        ...['--nats', `nats://${address}:${LAB_PORTS.nats.toString()}`, '--instance', secondOf(service)],
        ...flags[service],
      ],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ready: { unixSockets: [socketOf(service)], withinMs: 30_000 },
    };
    await processAdd({ lab: weft.name }, spec, signal);
  }
  return replicaAt((service) => `unix:${socketOf(service)}`);
};
