import path from 'node:path';
import { Lifecycle } from '#platform/lifecycle/lifecycle.ts';
import { type Log, nullLog } from '#platform/log/log.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { client, type RpcClient } from '#platform/rpc/client.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { DutyServiceService } from '#proto/weft/topology/v1/duty.ts';
import { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { type RealServer, startNats, startRedis, temporaryDirectory } from '../../../test/support/real-servers.ts';
import { composeTopology } from '../compose.ts';
import { FakeIpam } from './fake-ipam.ts';
import { fakeIpamService } from './ipam-service.ts';

export type TopologyClient = RpcClient<TopologyServiceService>;

export type DutyClient = RpcClient<DutyServiceService>;

/** Replicas of the service as processes run them, over one real Redis and one real NATS, behind unix sockets. */
export interface Stage extends AsyncDisposable {
  readonly redis: RealServer;
  readonly nats: RealServer;
  readonly ipam: FakeIpam;
  /** One per replica. */
  readonly clients: readonly TopologyClient[];
  /** One per replica. */
  readonly duties: readonly DutyClient[];
  /** Of the first replica. */
  readonly routers: RpcClient<RouterServiceService>;
}

/** `fsync`: whether a commit waits for the disk. */
export const openStage = async (
  replicas: number,
  fsync: 'always' | 'no' = 'no',
  log: Log = nullLog,
): Promise<Stage> => {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await temporaryDirectory());
  const redis = stack.use(await startRedis(path.join(dir.path, 'redis'), { fsync }));
  const nats = stack.use(await startNats(path.join(dir.path, 'nats')));
  const ipam = new FakeIpam();
  const ipamAddress = `unix:${path.join(dir.path, 'ipam.sock')}`;
  const { signal } = new AbortController();
  const ipamServer = rpcServer({ name: 'ipam', listen: [ipamAddress], services: [fakeIpamService(ipam)], log });
  await ipamServer.start(signal);
  stack.defer(() => ipamServer.stop(AbortSignal.timeout(1_000)));
  const clients: TopologyClient[] = [];
  const duties: DutyClient[] = [];
  for (let replica = 0; replica < replicas; replica += 1) {
    const listen = `unix:${path.join(dir.path, `${replica.toString()}.sock`)}`;
    const config = {
      redis: redis.url,
      nats: [nats.url],
      ipamAddress,
      defaultMtu: parseMtu('mtu', 1_450),
      eventRetention: 3_600_000,
      eventReplicas: 1,
      instance: replica.toString(),
      dhcpHostsPerNetwork: 1,
      dnsDomain: 'weft.internal',
    };
    const fail = (error: Error): void => {
      throw error;
    };
    const { components, services } = composeTopology(config, { log, fail });
    const lifecycle = new Lifecycle([...components, rpcServer({ name: 'topology', listen: [listen], services, log })], {
      graceMs: 2_000,
    });
    await lifecycle.start(signal);
    stack.defer(() => lifecycle.stop(signal));
    const connected = client(TopologyServiceService, listen);
    stack.defer(() => {
      connected.close();
    });
    clients.push(connected);
    const dutiesOf = client(DutyServiceService, listen);
    stack.defer(() => {
      dutiesOf.close();
    });
    duties.push(dutiesOf);
  }
  const routers = client(RouterServiceService, `unix:${path.join(dir.path, '0.sock')}`);
  stack.defer(() => {
    routers.close();
  });
  const kept = stack.move();
  return { redis, nats, ipam, clients, duties, routers, [Symbol.asyncDispose]: () => kept.disposeAsync() };
};
