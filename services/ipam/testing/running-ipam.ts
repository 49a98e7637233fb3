import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { client } from '#platform/rpc/client.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { Lifecycle } from '#platform/lifecycle/lifecycle.ts';
import {
  AllocateAddressesRequest,
  AllocateMacAddressRequest,
  AllocateSegmentRequest,
  CreateSubnetRequest,
  IpamServiceService,
  ReleaseAddressesRequest,
} from '#proto/weft/ipam/v1/ipam.ts';
import type { DeepPartial, Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import { type RealServer, startRedis, temporaryDirectory } from '../../../test/support/real-servers.ts';
import { composeIpam } from '../compose.ts';

export type IpamClient = RpcClient<typeof IpamServiceService>;

/** One replica: the service's own parts behind a server on a unix socket, and a client of it. */
export interface Replica {
  readonly address: string;
  readonly ipam: IpamClient;
  readonly log: MemoryLog;
}

/** Replicas of the service on one Redis of their own. */
export interface RunningIpam extends AsyncDisposable {
  readonly redis: RealServer;
  readonly replicas: readonly [Replica, ...Replica[]];
}

/** Starts `count` replicas. Redis writes through to the disk only where the test ends it (`fsync`). */
export const runIpam = async (count: number, fsync: 'always' | 'no' = 'no'): Promise<RunningIpam> => {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await temporaryDirectory());
  const redis = stack.use(await startRedis(path.join(dir.path, 'redis'), { fsync }));
  const replicas: Replica[] = [];
  for (let at = 0; at < count; at += 1) {
    const log = new MemoryLog();
    const address = `unix:${path.join(dir.path, `ipam${at.toString()}.sock`)}`;
    const { components, services } = composeIpam({ redis: redis.url, nats: [], instance: at.toString() }, { log });
    const server = rpcServer({ name: 'ipam', listen: [address], services, log });
    const lifecycle = stack.use(new Lifecycle([...components, server], { graceMs: 2_000 }));
    await lifecycle.start(AbortSignal.timeout(5_000));
    const ipam = client(IpamServiceService, address);
    stack.defer(() => {
      ipam.close();
    });
    replicas.push({ address, ipam, log });
  }
  const [first, ...others] = replicas;
  if (first === undefined) throw new Error('a service has one replica at least');
  const owned = stack.move();
  return { redis, replicas: [first, ...others], [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

/** A subnet to be created, in a network of its own unless told otherwise. */
export const creating = (
  subnet: DeepPartial<Subnet>,
  more: DeepPartial<CreateSubnetRequest> = {},
): CreateSubnetRequest => CreateSubnetRequest.fromPartial({ subnet: { network_id: randomUUID(), ...subnet }, ...more });

export const allocating = (network_id: string, owner_id: string, more: DeepPartial<AllocateAddressesRequest> = {}) =>
  AllocateAddressesRequest.fromPartial({ network_id, owner_id, ...more });

export const releasing = (owner_id: string, more: DeepPartial<ReleaseAddressesRequest> = {}): ReleaseAddressesRequest =>
  ReleaseAddressesRequest.fromPartial({ owner_id, ...more });

export const allocatingMac = (network_id: string, owner_id: string, mac_address = ''): AllocateMacAddressRequest =>
  AllocateMacAddressRequest.fromPartial({ network_id, owner_id, mac_address });

export const allocatingVni = (owner_id: string, segmentation_id = 0): AllocateSegmentRequest =>
  AllocateSegmentRequest.fromPartial({ network_type: 'NETWORK_TYPE_VXLAN', owner_id, segmentation_id });
