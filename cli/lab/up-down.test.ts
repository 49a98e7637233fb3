import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { labDown } from './down.ts';
import { labRun } from './exec.ts';
import { labList, labStatus } from './status.ts';
import { holdersOf, leftovers } from './testing/leftovers.ts';
import { labUp } from './up.ts';
import type { LabProgress } from './up.ts';

const signal = new AbortController().signal;
const mark = '98001';
const env = { PATH: '/usr/bin:/bin' };
const daemon = { name: 'agent', argv: ['sleep', mark], env };
const labs = ['ud', 'ud-2', 'ud-h'];
const scratch: string[] = [];

const scratchDir = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'weft-lab-test-'));
  scratch.push(path);
  return path;
};

const down = async (): Promise<void> => {
  for (const lab of labs) await labDown(lab, {}, signal);
};
// A run that was killed may have left them.
beforeAll(down);
afterEach(async () => {
  await down();
  for (const path of scratch.splice(0)) rmSync(path, { recursive: true, force: true });
});

const output = async (lab: string, host: string, ...argv: readonly string[]): Promise<string> =>
  (await labRun({ lab, host }, argv, { deadlineMs: 5_000 }, signal)).stdout;

const pings = async (lab: string, host: string, address: string): Promise<boolean> =>
  (await labRun({ lab, host }, ['ping', '-c', '1', '-W', '1', address], {}, signal)).exitCode === 0;

describe('labUp', () => {
  test('makes hosts that reach each other on the underlay and the control plane on the management network', async () => {
    const steps: LabProgress[] = [];
    const lab = await labUp(
      {
        name: 'ud',
        hosts: 3,
        controlPlane: (control) => [{ ...daemon, name: 'up', argv: ['sleep', mark, '1'], cwd: control.dataDir }],
        agent: () => daemon,
        progress: (progress) => steps.push(progress),
      },
      signal,
    );
    expect(lab.hosts.map(({ name }) => name)).toEqual(['h1', 'h2', 'h3']);
    expect(await pings('ud', 'h1', '192.0.2.13')).toBe(true);
    expect(await pings('ud', 'h3', lab.control.address)).toBe(true);
    expect(await pings('ud', 'control', '10.254.0.12')).toBe(true);
    expect(await pings('ud', 'control', '192.0.2.12')).toBe(false);
    expect(steps.filter(({ done, total }) => done === total).map(({ step }) => step)).toEqual([
      'namespaces',
      'hosts',
      'underlay',
      'control plane',
      'agents',
    ]);
    const status = labStatus('ud');
    expect(status.state).toBe('up');
    expect(status.controlPlane.map(({ name, state }) => [name, state])).toEqual([['up', 'running']]);
    expect(status.hosts.every((host) => host.alive && host.processes[0]?.state === 'running')).toBe(true);
    expect(labList()).toContainEqual({ name: 'ud', state: 'up', stateDir: lab.stateDir, hosts: 3, guests: 0 });
  });

  test('gives each host its own name, /run, /var/lib/weft and /sys, and this machine none of them', async () => {
    const lab = await labUp({ name: 'ud', hosts: ['left', 'right'] }, signal);
    const [left] = lab.hosts;
    await output('ud', 'left', 'touch', '/run/mine', '/var/lib/weft/mine');
    expect((await output('ud', 'left', 'hostname')).trim()).toBe('left');
    expect((await output('ud', 'left', 'ls', '/run')).split('\n')).toContain('mine');
    expect(await output('ud', 'right', 'ls', '/run', '/var/lib/weft')).not.toContain('mine');
    expect((await output('ud', 'left', 'ls', '/sys/class/net')).trim().split('\n')).toEqual(['eth0', 'lo', 'mgmt0']);
    expect(existsSync('/run/mine')).toBe(false);
    expect(existsSync('/var/lib/weft/mine')).toBe(false);
    expect(readdirSync(left?.dataDirOutside ?? '')).toEqual(['mine']);
  });

  test("gives hosts a device on the provider's wire, and puts a gateway there with something beyond it", async () => {
    await expect(labUp({ name: 'ud', hosts: 1, providerGateway: ['172.32.0.1/24'] }, signal)).rejects.toThrow(
      'physical network',
    );
    await labUp({ name: 'ud', hosts: 2, physicalNetwork: 'provider', providerGateway: ['172.32.0.1/24'] }, signal);
    expect(await output('ud', 'h1', 'ip', '-brief', 'address', 'show', 'dev', 'eth1')).toMatch(/^eth1@\S+ +UP *$/m);
    await output('ud', 'h1', 'ip', 'address', 'add', '172.32.0.11/24', 'dev', 'eth1');
    await output('ud', 'h1', 'ip', 'route', 'add', 'default', 'via', '172.32.0.1');
    expect(await pings('ud', 'h1', '198.51.100.1')).toBe(true);
    const fetched = "fetch('http://198.51.100.1/').then((r) => r.text()).then((t) => process.stdout.write(t))";
    expect(await output('ud', 'h1', process.execPath, '-e', fetched)).toBe('172.32.0.11\n');
    expect(labStatus('ud').gateway.map(({ name, state }) => [name, state])).toEqual([['internet', 'running']]);
    await labDown('ud', {}, signal);
    expect(leftovers('ud', mark)).toEqual([]);
  });

  test('an underlay of IPv6 with a larger MTU carries full frames at once', async () => {
    const lab = await labUp({ name: 'ud', hosts: 2, underlay: 'ipv6', mtu: 9000 }, signal);
    const [, second] = lab.hosts;
    expect(second).toMatchObject({ underlayAddress: '2001:db8:ffff::12', underlayPrefix: 64, mtu: 9000 });
    const ping = ['ping', '-c', '1', '-W', '1', '-M', 'do', '-s', '8952', '2001:db8:ffff::12'];
    expect((await labRun({ lab: 'ud', host: 'h1' }, ping, {}, signal)).exitCode).toBe(0);
    expect(await output('ud', 'h1', 'ip', 'address', 'show', 'dev', 'eth0')).not.toContain('tentative');
  });

  test('refuses a name in use, and leaves that lab as it is', async () => {
    await labUp({ name: 'ud', hosts: 1 }, signal);
    await expect(labUp({ name: 'ud', hosts: 2 }, signal)).rejects.toMatchObject({
      code: 'exists',
      reason: 'LAB_EXISTS',
    });
    expect(labStatus('ud')).toMatchObject({ state: 'up', hosts: [{ name: 'h1', alive: true }] });
  });

  test('refuses a state directory that holds something else, and does not touch it', async () => {
    const stateDir = scratchDir();
    writeFileSync(join(stateDir, 'thesis.txt'), 'twenty years of work');
    await expect(labUp({ name: 'ud', hosts: 1, stateDir }, signal)).rejects.toMatchObject({ code: 'invalid' });
    await labDown('ud', {}, signal);
    expect(readdirSync(stateDir)).toEqual(['thesis.txt']);
    await expect(labUp({ name: 'ud', hosts: 1, stateDir: '/run/x' }, signal)).rejects.toThrow('/run');
    await expect(labUp({ name: 'ud', hosts: 1, stateDir: 'x' }, signal)).rejects.toThrow('absolute');
    expect(leftovers('ud', mark)).toEqual([]);
  });

  test('a process that does not come up fails it with the end of its log, and nothing is left', async () => {
    const up = labUp(
      {
        name: 'ud',
        hosts: 2,
        agent: ({ name }) =>
          name === 'h1' ? daemon : { ...daemon, argv: ['ls', '/no/such/file'], ready: { tcpPorts: [1] } },
      },
      signal,
    );
    await expect(up).rejects.toMatchObject({ code: 'unavailable' });
    await expect(up).rejects.toThrow(/h2\/agent|ls \/no\/such\/file/);
    await expect(up).rejects.toThrow('No such file or directory');
    expect(leftovers('ud', mark)).toEqual([]);
  });

  test('a signal that aborts half way leaves nothing', async () => {
    const controller = new AbortController();
    const up = labUp(
      {
        name: 'ud',
        hosts: 4,
        agent: () => daemon,
        progress: ({ step, done }) => {
          if (step === 'hosts' && done === 2) controller.abort(new Error('enough'));
        },
      },
      controller.signal,
    );
    await expect(up).rejects.toThrow('enough');
    expect([...leftovers('ud', mark), ...holdersOf('ud')]).toEqual([]);
  });

  test('being taken down meanwhile fails it, and nothing is left', async () => {
    const down = Promise.withResolvers<unknown>();
    const up = labUp(
      {
        name: 'ud',
        hosts: 3,
        agent: () => daemon,
        progress: ({ step, done }) => {
          if (step === 'agents' && done === 1) down.resolve(labDown('ud', {}, signal));
        },
      },
      signal,
    );
    await expect(up).rejects.toThrow();
    await down.promise;
    expect([...leftovers('ud', mark), ...holdersOf('ud')]).toEqual([]);
  });
});

describe('labDown', () => {
  test('takes away everything, also what was started by hand in a host, and is idempotent', async () => {
    await labUp({ name: 'ud', hosts: 2, agent: () => daemon }, signal);
    const byHand = labRun({ lab: 'ud', host: 'h1' }, ['sleep', mark], {}, signal);
    // Deaf to SIGTERM.
    const deaf = labRun(
      { lab: 'ud', host: 'control' },
      ['sh', '-c', `trap "" TERM; sleep ${mark}; sleep ${mark}`],
      {},
      signal,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const report = await labDown('ud', { graceMs: 200 }, signal);
    expect(report.namespaces).toBe(4);
    expect((await byHand).exitCode).toBe(143);
    expect((await deaf).exitCode).toBe(137);
    expect([...leftovers('ud', mark), ...holdersOf('ud')]).toEqual([]);
    expect(await labDown('ud', {}, signal)).toEqual({ name: 'ud', processes: 0, namespaces: 0 });
    expect(() => labStatus('ud')).toThrow('does not exist');
  });

  test('leaves a second lab alone, even one whose name begins with its own', async () => {
    await labUp({ name: 'ud', hosts: 2, agent: () => daemon }, signal);
    await labUp({ name: 'ud-2', hosts: 2, agent: () => daemon }, signal);
    expect(await pings('ud-2', 'h1', '192.0.2.12')).toBe(true);
    await labDown('ud', {}, signal);
    expect(leftovers('ud', 'none').filter((line) => !line.includes('ud-2'))).toEqual([]);
    expect(labStatus('ud-2')).toMatchObject({ state: 'up' });
    expect(labStatus('ud-2').hosts.every((host) => host.alive && host.processes[0]?.state === 'running')).toBe(true);
    expect(await pings('ud-2', 'h2', '192.0.2.11')).toBe(true);
  });

  test('a host of one lab whose namespace reads like another lab’s stays its own', async () => {
    await labUp({ name: 'ud', hosts: ['2-h1', 'h-x'] }, signal);
    await expect(labUp({ name: 'ud-h', hosts: ['x'] }, signal)).rejects.toMatchObject({ reason: 'NAMESPACE_EXISTS' });
    await labUp({ name: 'ud-2', hosts: ['h2'] }, signal);
    await labDown('ud-2', {}, signal);
    expect(labStatus('ud')).toMatchObject({ state: 'up', hosts: [{ alive: true }, { alive: true }] });
  });

  test('finds the namespaces by name when the state directory was removed by hand', async () => {
    const stateDir = join(scratchDir(), 'state');
    mkdirSync(stateDir);
    await labUp({ name: 'ud', hosts: 2, stateDir, agent: () => daemon }, signal);
    rmSync(stateDir, { recursive: true });
    expect(labStatus('ud').state).toBe('broken');
    await labDown('ud', {}, signal);
    expect([...leftovers('ud', mark), ...holdersOf('ud')]).toEqual([]);
  });

  test('does not end a process that has the pid of a record but not its start', async () => {
    const lab = await labUp({ name: 'ud', hosts: 1, agent: () => daemon }, signal);
    const path = join(lab.stateDir, 'process', 'h1~agent.json');
    const record: unknown = JSON.parse(await output('ud', 'h1', 'cat', path));
    writeFileSync(path, JSON.stringify({ ...(record as object), identity: { pid: process.ppid, startTime: 1 } }));
    expect(labStatus('ud').hosts[0]?.processes[0]?.state).toBe('dead');
    await labDown('ud', {}, signal);
    expect(() => process.kill(process.ppid, 0)).not.toThrow();
    expect(leftovers('ud', mark)).toEqual([]);
  });
});
