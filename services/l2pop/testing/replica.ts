import path from 'node:path';
import { Lifecycle } from '#platform/lifecycle/lifecycle.ts';
import type { Log } from '#platform/log/log.ts';
import { client, type RpcClient } from '#platform/rpc/client.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { composeL2pop } from '../compose.ts';
import type { L2popConfig } from '../config.ts';

/** A whole l2pop in this process, and a client of it. */
export interface Replica extends AsyncDisposable {
  readonly rpc: RpcClient<typeof L2populationServiceService>;
}

/** What a replica runs on. */
export interface ReplicaOptions {
  readonly dir: string;
  readonly name: string;
  readonly redis: string;
  readonly nats: string;
  readonly topology: string;
  readonly log: Log;
  readonly settings?: Partial<Pick<L2popConfig, 'reconcileInterval' | 'withdrawDeadHosts' | 'changesKept'>>;
}

/** Started; stops with its scope. */
export const startReplica = async ({
  dir,
  name,
  redis,
  nats,
  topology,
  log,
  settings,
}: ReplicaOptions): Promise<Replica> => {
  const listen = `unix:${path.join(dir, `${name}.sock`)}`;
  const fail = (error: Error): void => {
    log.error({ err: error }, 'a replica failed');
  };
  const { components, services } = composeL2pop(
    {
      redis,
      nats: [nats],
      instance: name,
      topologyAddress: topology,
      reconcileInterval: 60_000,
      changesKept: 10_000,
      withdrawDeadHosts: false,
      eventRetention: 3_600_000,
      eventReplicas: 1,
      ...settings,
    },
    { log, fail },
  );
  const server = rpcServer({ name: 'l2pop', listen: [listen], services, log });
  const lifecycle = new Lifecycle([...components, server], { graceMs: 5_000 });
  await lifecycle.start(new AbortController().signal);
  const rpc = client(L2populationServiceService, listen);
  return {
    rpc,
    [Symbol.asyncDispose]: async () => {
      rpc.close();
      await lifecycle[Symbol.asyncDispose]();
    },
  };
};
