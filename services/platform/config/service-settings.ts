import { hostname } from 'node:os';
import { z } from 'zod';
import { parseRedisUrl } from '#platform/redis/redis-url.ts';
import { address, durationMs, urlList } from './schemas.ts';
import { setting } from './settings.ts';

const redisUrl = z.string().refine(isRedisUrl, {
  message: 'is neither redis[s]://host[:port], redis+sentinel://host:port,…/master nor the path of a unix socket',
});

/**
 * The settings that every service has under the same names, for `defineSettings({ ...serviceSettings('ipam'), … })`.
 * `service` names the default socket, `/run/weft/<service>.sock`.
 */
export const serviceSettings = (service: string) => ({
  listen: setting(
    'where to serve gRPC: unix:/path, host:port or [IPv6]:port, one or more',
    z
      .array(address)
      .min(1)
      .default([`unix:/run/weft/${service}.sock`]),
  ),
  redis: setting(
    'where the state is: Redis, its Sentinels, or a unix socket',
    redisUrl.default('redis://127.0.0.1:6379'),
  ),
  nats: setting('servers of the NATS cluster', urlList(['nats', 'tls']).default(['nats://127.0.0.1:4222'])),
  otlpEndpoint: setting('OTLP/HTTP collectors that get the traces', urlList(['http', 'https']).default([])),
  metricsListen: setting('where to serve /metrics for Prometheus; off when unset', address.optional()),
  logLevel: setting('what to log at least', z.enum(['debug', 'info', 'warn', 'error']).default('info')),
  instance: setting(
    'name of this replica in traces and metrics',
    z
      .string()
      .min(1)
      .max(255)
      .default(() => `${hostname()}-${process.pid.toString()}`),
  ),
  graceMs: setting('how long each part may take to stop', durationMs({ max: 600_000 }).default(10_000)),
});

function isRedisUrl(text: string): boolean {
  try {
    parseRedisUrl(text);
    return true;
  } catch {
    return false;
  }
}
