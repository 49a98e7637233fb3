import type { RedisOptions } from 'ioredis';
import { invalidField } from '#platform/errors/domain-error.ts';

const DEFAULT_PORT = 6_379;
const DEFAULT_SENTINEL_PORT = 26_379;
const RULE =
  'must be redis[s]://[user:password@]host[:port][/db], a unix socket path, or redis+sentinel://[user:password@]host:port,host:port/master[/db]';

/** The part of the client's options that an address decides. */
export type RedisAddress = Pick<
  RedisOptions,
  'path' | 'host' | 'port' | 'username' | 'password' | 'db' | 'tls' | 'sentinels' | 'name'
>;

/**
 * Where Redis is, as the client takes it: `redis://` and `rediss://` (TLS) addresses, an absolute path or `unix:///path`
 * of a socket, `redis+sentinel://h1:p,h2:p/master`. Throws `invalid` on the field `redis_url`.
 */
export const parseRedisUrl = (url: string): RedisAddress => {
  if (url.startsWith('/')) return { path: url };
  if (url.startsWith('unix:///')) return { path: url.slice('unix://'.length) };
  if (url.startsWith('redis+sentinel://')) return parseSentinels(url);
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === '' || !['redis:', 'rediss:'].includes(parsed.protocol)) throw broken(url);
  return {
    host: parsed.hostname.replace(/^\[|\]$/gu, ''),
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    ...credentials(parsed),
    ...database(url, parsed.pathname.slice(1)),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
};

// The WHATWG parser knows one host only, so the list is taken apart first and each host parsed by itself.
const parseSentinels = (url: string): RedisAddress => {
  const match = /^redis\+sentinel:\/\/(?:(?<user>[^@/]*)@)?(?<hosts>[^/]+)\/(?<master>[^/]+)(?:\/(?<db>\d+))?$/u.exec(
    url,
  );
  const { user, hosts, master, db } = match?.groups ?? {};
  if (hosts === undefined || master === undefined) throw broken(url);
  const sentinels = hosts.split(',').map((host) => {
    const parsed = URL.parse(`redis://${host}`);
    if (parsed === null || parsed.hostname === '' || parsed.pathname !== '') throw broken(url);
    return {
      host: parsed.hostname.replace(/^\[|\]$/gu, ''),
      port: parsed.port === '' ? DEFAULT_SENTINEL_PORT : Number(parsed.port),
    };
  });
  const identity = user === undefined ? null : URL.parse(`redis://${user}@host`);
  return { sentinels, name: master, ...(identity === null ? {} : credentials(identity)), ...database(url, db ?? '') };
};

const credentials = ({ username, password }: URL): RedisAddress => ({
  ...(username === '' ? {} : { username: decodeURIComponent(username) }),
  ...(password === '' ? {} : { password: decodeURIComponent(password) }),
});

const database = (url: string, text: string): RedisAddress => {
  if (text === '') return {};
  if (!/^\d{1,4}$/u.test(text)) throw broken(url);
  return { db: Number(text) };
};

// A password never gets into an error's text.
const broken = (url: string): Error => invalidField('redis_url', url.replace(/\/\/[^@/]*@/u, '//***@'), RULE);
