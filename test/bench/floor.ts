import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { startNats, startRedis, temporaryDirectory } from '../support/real-servers.ts';
import { medianMs } from './figures.ts';

/** What the parts of the control plane cost by themselves on this machine, now: medians in milliseconds. */
export const measureFloor = async (): Promise<{ readonly nats_ms: number; readonly redis_ms: number }> => {
  await using dir = await temporaryDirectory();
  await using nats = await startNats(`${dir.path}/nats`);
  await using redis = await startRedis(`${dir.path}/redis`, { fsync: 'everysec' });
  return { nats_ms: await natsRoundTrip(nats.url), redis_ms: await redisScript(redis.url) };
};

const TURNS = 2_000;

const natsRoundTrip = async (url: string): Promise<number> => {
  const publisher = await connect({ servers: url });
  const subscriber = await connect({ servers: url });
  let arrived = Promise.withResolvers<undefined>();
  subscriber.subscribe('floor', {
    callback: () => {
      arrived.resolve(undefined);
    },
  });
  await subscriber.flush();
  const median = await medianMs(TURNS, async () => {
    arrived = Promise.withResolvers();
    publisher.publish('floor', 'x');
    await arrived.promise;
  });
  await publisher.close();
  await subscriber.close();
  return median;
};

const SCRIPT =
  "redis.call('INCR', KEYS[1]) redis.call('HSET', KEYS[2], 'f', ARGV[1]) return redis.call('XADD', KEYS[3], '*', 'v', ARGV[1])";

const redisScript = async (socket: string): Promise<number> => {
  const redis = new Redis(socket);
  redis.on('error', () => undefined);
  const median = await medianMs(TURNS, async (turn) => redis.eval(SCRIPT, 3, '{f}a', '{f}b', '{f}c', String(turn)));
  redis.disconnect();
  return median;
};
