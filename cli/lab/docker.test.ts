import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { processesInCgroup, removeCgroup } from './cgroups.ts';
import { labDockerImage, labDockerRestart, labDockerUp, LAB_IMAGE } from './docker.ts';
import { labDown } from './down.ts';
import { labRun } from './exec.ts';
import { parseLabName } from './names.ts';
import { processKill9, processStart } from './processes.ts';
import { labStatus } from './status.ts';
import { holdersOf, leftovers } from './testing/leftovers.ts';
import { labUp } from './up.ts';

const signal = new AbortController().signal;
const lab = 'wl-dk';
const host = 'h1';
const root = join(import.meta.dirname, '../..');
// Of this machine, not of the hosts.
const shared = [
  '/etc/docker/daemon.json',
  '/opt/containerd',
  '/etc/containerd',
  '/var/lib/docker',
  '/var/lib/containerd',
  '/run/docker.sock',
];
const before = shared.filter((path) => existsSync(path));

beforeAll(async () => {
  await promisify(execFile)(join(root, 'infra/setup.sh'), ['docker']);
  // A run that was killed may have left it.
  await labDown(lab, {}, signal);
  await labUp({ name: lab, hosts: 2, drivers: ['linuxbridge', 'ovs'] }, signal);
  await labDockerUp({ lab, host, bip: '10.1.0.1/16', mtu: 1400 }, signal);
  await labDockerImage({ lab, host }, signal);
}, 120_000);

afterEach(async () => {
  // What a test that failed has left makes neither the next fail nor its own second try.
  const leave = ['docker', 'rm', '--force', 'server', 'lasting', 'orphan'];
  await labRun({ lab, host }, leave, { deadlineMs: 30_000 }, signal).catch(() => undefined);
});

afterAll(async () => {
  await labDown(lab, {}, signal);
});

/** What a command writes on the host; fails with what it says unless it ends well. */
const output = async (...argv: readonly string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await labRun({ lab, host }, argv, { deadlineMs: 30_000 }, signal);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${exitCode.toString()}: ${stderr}${stdout}`);
  return stdout.trim();
};

const runs = async (name: string, ...argv: readonly string[]): Promise<string> =>
  await output('docker', 'run', '--detach', '--name', name, LAB_IMAGE, ...argv);

const addressOf = async (name: string): Promise<string> =>
  await output('docker', 'inspect', '--format', '{{.NetworkSettings.IPAddress}}', name);

const nothingIsLeft = (): void => {
  expect([...leftovers(lab, '/weft-lab-wl-dk'), ...holdersOf(lab)]).toEqual([]);
  expect([...processesInCgroup(parseLabName('lab', lab))]).toEqual([]);
  // There is none to remove.
  expect(removeCgroup(parseLabName('lab', lab))).toBe(true);
  expect(shared.filter((path) => existsSync(path))).toEqual(before);
};

describe('docker on a host of a lab', () => {
  test('is a process of the lab with a docker0 as it was asked for, on that host alone', async () => {
    expect(labStatus(lab).hosts.map(({ processes }) => processes.map(({ name }) => name))).toEqual([
      ['containerd', 'dockerd'],
      ['ovs-vswitchd', 'ovsdb-server'],
    ]);
    expect(await output('ip', '-brief', 'address', 'show', 'dev', 'docker0')).toContain('10.1.0.1/16');
    expect((await labRun({ lab, host: 'h2' }, ['ip', 'link', 'show', 'docker0'], {}, signal)).exitCode).toBe(1);
    expect((await labRun({ lab, host: 'h2' }, ['ls', '/etc/docker'], {}, signal)).stdout).toBe('');
  });

  test('runs containers that reach each other by ping and TCP', async () => {
    await runs('server', 'nc', '-ll', '-p', '7', '-e', 'cat');
    const address = await addressOf('server');
    expect(address).toMatch(/^10\.1\.0\.\d+$/);
    const inContainer = ['docker', 'run', '--rm', LAB_IMAGE];
    expect(await output(...inContainer, 'ping', '-c', '1', '-W', '2', address)).toContain('1 packets received');
    expect(await output(...inContainer, 'ip', 'address', 'show', 'dev', 'eth0')).toContain('mtu 1400');
    // It goes by the least of its ports, so it has to have had one.
    expect(await output('cat', '/sys/class/net/docker0/mtu')).toBe('1400');
    expect(await output(...inContainer, 'sh', '-c', `echo across | nc ${address} 7`)).toBe('across');
    await output('docker', 'rm', '--force', 'server');
  });

  test('after a restart docker0 is the same device, and containers start again', async () => {
    await runs('lasting', 'sleep', '1000');
    const device = await output('cat', '/sys/class/net/docker0/ifindex');
    await labDockerRestart({ lab, host }, signal);
    expect(await output('cat', '/sys/class/net/docker0/ifindex')).toBe(device);
    await output('docker', 'start', 'lasting');
    expect(await output('docker', 'exec', 'lasting', 'ip', '-4', 'address')).toContain('10.1.0.');
    await output('docker', 'rm', '--force', 'lasting');
  });

  test('after kill -9 it can be started again', async () => {
    await runs('orphan', 'sleep', '1000');
    await processKill9({ lab, host, process: 'dockerd' }, signal);
    await processStart({ lab, host, process: 'dockerd' }, signal);
    expect(await output('docker', 'ps', '--all', '--format', '{{.Names}}')).toBe('orphan');
    await output('docker', 'rm', '--force', 'orphan');
  });

  test('refuses a second one, and settings that are none', async () => {
    const again = labDockerUp({ lab, host, bip: '10.1.0.1/16' }, signal);
    await expect(again).rejects.toMatchObject({ code: 'exists', reason: 'PROCESS_EXISTS' });
    for (const bip of ['10.1.0.1', '10.1.0.1/33', 'fd00::1/64', '10.1.0/16']) {
      await expect(labDockerUp({ lab, host: 'h2', bip }, signal)).rejects.toMatchObject({ code: 'invalid' });
    }
    const unknown = labDockerUp({ lab, host: 'h2', bip: '10.2.0.1/16', extra: ['--no-such-flag'] }, signal);
    await expect(unknown).rejects.toThrow('unknown flag: --no-such-flag');
    // An address of the network itself is for dockerd to refuse, when it is well under way.
    const refused = labDockerUp({ lab, host: 'h2', bip: '10.2.0.0/32' }, signal);
    await expect(refused).rejects.toMatchObject({ code: 'unavailable' });
    const states = labStatus(lab).hosts[1]?.processes.map(({ name, state }) => `${name} ${state}`);
    expect(states).toEqual(expect.arrayContaining(['containerd stopped', 'dockerd stopped']));
  });

  test('the lab takes it away with all containers, also when it was killed and they restart by themselves', async () => {
    await output('docker', 'run', '--detach', '--restart', 'always', LAB_IMAGE, 'sleep', '1000');
    await runs('deaf', 'sh', '-c', 'trap "" TERM; sleep 1000');
    await labDown(lab, {}, signal);
    nothingIsLeft();

    await labUp({ name: lab, hosts: 1 }, signal);
    await labDockerUp({ lab, host, bip: '10.1.0.1/16' }, signal);
    await labDockerImage({ lab, host }, signal);
    await runs('orphan', 'sleep', '1000');
    await processKill9({ lab, host, process: 'dockerd' }, signal);
    await labDown(lab, {}, signal);
    nothingIsLeft();
  });
});
