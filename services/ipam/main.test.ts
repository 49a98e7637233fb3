import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { client } from '#platform/rpc/client.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { startRedis, temporaryDirectory } from '../../test/support/real-servers.ts';
import { creating } from './testing/running-ipam.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env },
  });
  const printed = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()));
  const closed = once(child, 'close');
  const ended = async (): Promise<number | null> => {
    await closed;
    return child.exitCode;
  };
  return { child, printed, ended };
};

test('--help names every setting and ends well', async () => {
  const { printed, ended } = run(['--help']);
  expect(await ended()).toBe(0);
  for (const flag of ['--listen', '--redis', '--otlp-endpoint', '--metrics-listen', '--log-level', '--instance']) {
    expect(printed.out).toContain(flag);
  }
});

test('a setting that is wrong ends it at once, saying which', async () => {
  const { printed, ended } = run([], { WEFT_REDIS: 'nowhere' });
  expect(await ended()).toBe(2);
  expect(printed.err).toContain('WEFT_REDIS');
});

test('serves until SIGTERM, and keeps what it was told over kill -9', async () => {
  await using dir = await temporaryDirectory();
  await using redis = await startRedis(path.join(dir.path, 'redis'));
  const address = `unix:${path.join(dir.path, 'ipam.sock')}`;
  const start = () => run(['--listen', address], { WEFT_REDIS: redis.url });
  const ipam = client(IpamServiceService, address);
  const list = async () => (await ipam.listSubnets({ network_id: '', page_size: 0, page_token: '' })).subnets;
  const serving = () =>
    eventually(
      'it serves',
      () =>
        list().then(
          () => true,
          () => false,
        ),
      10_000,
    );
  let running = start();
  try {
    await serving();
    const subnet = await ipam.createSubnet(creating({ cidr: '10.0.0.0/24' }));
    running.child.kill('SIGKILL');
    await running.ended();
    running = start();
    await serving();
    expect(await list()).toEqual([subnet]);
    running.child.kill('SIGTERM');
    expect(await running.ended()).toBe(0);
  } finally {
    running.child.kill('SIGKILL');
    ipam.close();
  }
});
