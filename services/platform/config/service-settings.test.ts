import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { loadConfig } from './load-config.ts';
import { serviceSettings } from './service-settings.ts';
import { defineSettings } from './settings.ts';

const load = (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const loaded = loadConfig(defineSettings(serviceSettings('ipam')), { argv, env, readFile: () => '' });
  if (loaded.help) throw new Error('nobody asked for help');
  return loaded.values;
};

test('a service needs to be told nothing', () => {
  expect(load([])).toMatchObject({
    listen: ['unix:/run/weft/ipam.sock'],
    redis: 'redis://127.0.0.1:6379',
    nats: ['nats://127.0.0.1:4222'],
    otlpEndpoint: [],
    metricsListen: undefined,
    logLevel: 'info',
    graceMs: 10_000,
  });
});

test('lists are comma separated in the environment and may be repeated as flags', () => {
  expect(load([], { WEFT_NATS: 'nats://a:1,tls://b:2' }).nats).toEqual(['nats://a:1', 'tls://b:2']);
  expect(load(['--listen', 'unix:/tmp/a.sock', '--listen=127.0.0.1:0']).listen).toEqual([
    'unix:/tmp/a.sock',
    '127.0.0.1:0',
  ]);
});

test.each([
  ['--listen', 'somewhere', 'listen'],
  ['--redis', 'http://127.0.0.1', 'redis'],
  ['--nats', 'http://127.0.0.1:4222', 'nats'],
  ['--otlp-endpoint', 'collector', 'otlp-endpoint'],
  ['--log-level', 'loud', 'log-level'],
  ['--grace-ms', '-1', 'grace-ms'],
])('%s %s is refused, naming the setting', (flag, value, field) => {
  const loading = (): unknown => load([`${flag}=${value}`]);
  expect(loading).toThrow(DomainError);
  try {
    loading();
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid', violations: [{ field }] });
  }
});

test.each(['/run/redis.sock', 'unix:///run/redis.sock', 'rediss://u:p@h:1/2', 'redis+sentinel://a:1,b:2/mymaster'])(
  'redis may be at %s',
  (url) => {
    expect(load([`--redis=${url}`]).redis).toBe(url);
  },
);
