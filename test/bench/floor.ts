import { writeFile } from 'node:fs/promises';
import { connect } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { startNats, startRedis, temporaryDirectory } from '../support/real-servers.ts';
import { inPlace } from '../system/kernel.ts';
import { figuresOf } from './figures.ts';

/** What the parts cost by themselves on this machine, now: medians in milliseconds. */
export const measureFloor = async (): Promise<{ readonly nats_ms: number; readonly redis_ms: number }> => {
  await using dir = await temporaryDirectory();
  await using nats = await startNats(`${dir.path}/nats`);
  await using redis = await startRedis(`${dir.path}/redis`, { fsync: 'everysec' });
  return { nats_ms: await natsRoundTrip(nats.url), redis_ms: await redisScript(redis.url) };
};

const ROUNDS = 2_000;

const natsRoundTrip = async (url: string): Promise<number> => {
  const publisher = await connect({ servers: url });
  const subscriber = await connect({ servers: url });
  const taken: number[] = [];
  let arrived = Promise.withResolvers<undefined>();
  subscriber.subscribe('floor', {
    callback: () => {
      arrived.resolve(undefined);
    },
  });
  await subscriber.flush();
  for (let round = 0; round < ROUNDS; round += 1) {
    arrived = Promise.withResolvers();
    const started = performance.now();
    publisher.publish('floor', 'x');
    await arrived.promise;
    taken.push(performance.now() - started);
  }
  await publisher.close();
  await subscriber.close();
  return figuresOf(taken).p50;
};

const redisScript = async (socket: string): Promise<number> => {
  const redis = new Redis(socket);
  redis.on('error', () => undefined);
  const taken: number[] = [];
  const script =
    "redis.call('INCR', KEYS[1]) redis.call('HSET', KEYS[2], 'f', ARGV[1]) return redis.call('XADD', KEYS[3], '*', 'v', ARGV[1])";
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    await redis.eval(script, 3, '{f}a', '{f}b', '{f}c', String(round));
    taken.push(performance.now() - started);
  }
  redis.disconnect();
  return figuresOf(taken).p50;
};

/** Seconds that raw batches of iproute2 take for so many entries on a scratch VXLAN device of a host. */
export interface RawBatch {
  /** `bridge -batch` alone: the FDB rows. */
  readonly fdbSeconds: number;
  /** `ip -batch` alone: the neighbours. */
  readonly neighbourSeconds: number;
}

/** The same rows as weft writes, from files, by iproute2 alone. */
export const measureRawBatch = async (lab: string, host: string, count: number): Promise<RawBatch> => {
  await using dir = await temporaryDirectory();
  const device = 'vxlan-raw';
  const at = { lab, host };
  await inPlace(at, ['ip', 'link', 'add', 'brqraw', 'type', 'bridge']);
  await inPlace(at, [
    'ip',
    'link',
    'add',
    device,
    'type',
    'vxlan',
    'id',
    '16777000',
    'dstport',
    '4790',
    'nolearning',
    'proxy',
  ]);
  await inPlace(at, ['ip', 'link', 'set', device, 'master', 'brqraw', 'up']);
  try {
    const hex = (value: number): string => value.toString(16).padStart(2, '0');
    const mac = (index: number): string =>
      `fa:17:00:${hex(index >> 16)}:${hex((index >> 8) & 255)}:${hex(index & 255)}`;
    const numbers = Array.from({ length: count }, (_, index) => index);
    const fdb = numbers
      .map((index) => `fdb replace ${mac(index)} dev ${device} dst 192.0.2.200 self master static\n`)
      .join('');
    const neighbours = numbers
      .map(
        (index) =>
          `neigh replace 10.${(index >> 16).toString()}.${((index >> 8) & 255).toString()}.${(index & 255).toString()} lladdr ${mac(index)} nud permanent dev ${device}\n`,
      )
      .join('');
    await writeFile(`${dir.path}/fdb`, fdb);
    await writeFile(`${dir.path}/neigh`, neighbours);
    return {
      fdbSeconds: await timed(async () => inPlace(at, ['bridge', '-batch', `${dir.path}/fdb`], 60_000)),
      neighbourSeconds: await timed(async () => inPlace(at, ['ip', '-batch', `${dir.path}/neigh`], 60_000)),
    };
  } finally {
    await inPlace(at, ['ip', 'link', 'delete', device]);
    await inPlace(at, ['ip', 'link', 'delete', 'brqraw']);
  }
};

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};
