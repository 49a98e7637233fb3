import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { labDown } from './down.ts';
import { labExec, labProcesses, labRun } from './exec.ts';
import {
  agentKill9,
  agentRestart,
  agentStart,
  agentStop,
  processAdd,
  processKill9,
  processPause,
  processResume,
  processStart,
  processStop,
} from './processes.ts';
import { labStatus } from './status.ts';
import type { ProcessStatus } from './status.ts';
import { labUp } from './up.ts';

const signal = new AbortController().signal;
const lab = 'proc';
const env = { PATH: '/usr/bin:/bin' };
const node = process.execPath;
const listener = `
  const net = require('node:net');
  require('node:fs').rmSync(process.argv[1], { force: true });
  setTimeout(() => {
    net.createServer().listen(7001, '10.254.0.1');
    net.createServer().listen(process.argv[1]);
  }, 150);
`;

beforeAll(async () => {
  // A run that was killed may have left it.
  await labDown(lab, {}, signal);
  await labUp(
    {
      name: lab,
      hosts: 1,
      controlPlane: ({ dataDir }) => [
        {
          name: 'up',
          argv: [node, '-e', listener, `${dataDir}/up.sock`],
          env,
          ready: { tcpPorts: [7001], unixSockets: [`${dataDir}/up.sock`] },
        },
      ],
      agent: () => ({ name: 'agent', argv: ['sleep', '98003'], env }),
    },
    signal,
  );
});

afterAll(async () => {
  await labDown(lab, {}, signal);
});

const agent = (): ProcessStatus | undefined => labStatus(lab).hosts[0]?.processes[0];
const ref = { lab, host: 'h1' };

describe('processes of a lab', () => {
  test('one that says when it is ready is waited for', async () => {
    const { stdout } = await labRun({ lab, host: 'control' }, ['cat', '/proc/net/tcp'], {}, signal);
    // 10.254.0.1:7001, listening.
    expect(stdout).toMatch(/0100FE0A:1B59 \S+ 0A/);
  });

  test('one that never listens is told with its deadline', async () => {
    const never = { name: 'deaf', argv: ['sleep', '98003'], env, ready: { tcpPorts: [1], withinMs: 50 } };
    await expect(processAdd({ lab }, never, signal)).rejects.toMatchObject({ code: 'deadline' });
    await processStop({ lab, process: 'deaf' }, signal);
  });

  test('an agent is stopped, started and restarted as a new process', async () => {
    const first = agent();
    await agentStop(ref, signal);
    expect(agent()?.state).toBe('stopped');
    await agentStop(ref, signal);
    const second = await agentStart(ref, signal);
    expect(second.pid).not.toBe(first?.pid);
    await expect(agentStart(ref, signal)).rejects.toMatchObject({ reason: 'PROCESS_RUNS' });
    const third = await agentRestart(ref, signal);
    expect(third.pid).not.toBe(second.pid);
    expect(agent()).toMatchObject({ state: 'running', pid: third.pid });
  });

  test('kill -9 leaves it dead until it is started, and its children alive', async () => {
    await agentKill9(ref, signal);
    expect(agent()?.state).toBe('dead');
    await expect(agentKill9(ref, signal)).rejects.toMatchObject({ reason: 'PROCESS_NOT_RUNNING' });
    await agentStart(ref, signal);
    const parent = { name: 'parent', argv: ['sh', '-c', 'sleep 98033 & wait'], env };
    await processAdd(ref, parent, signal);
    const child = (): boolean => labProcesses({ lab, host: 'h1' }).some(({ argv }) => argv[1] === '98033');
    await eventually('the child runs', child);
    await processKill9({ ...ref, process: 'parent' }, signal);
    expect(child()).toBe(true);
    await processStop({ ...ref, process: 'parent' }, signal);
    expect(child()).toBe(false);
  });

  test('a paused one stays, answers nothing, and is ended all the same', async () => {
    const up = { lab, process: 'up' };
    const state = (): string | undefined => labStatus(lab).controlPlane.find(({ name }) => name === 'up')?.state;
    processPause(up);
    await eventually('it is paused', () => state() === 'paused');
    processResume(up);
    await eventually('it runs', () => state() === 'running');
    processPause(up);
    await processStop(up, signal);
    expect(state()).toBe('stopped');
    await processStart(up, signal);
  });

  test('the process that keeps a host is not for its users', async () => {
    await expect(processStop({ ...ref, process: 'holder' }, signal)).rejects.toMatchObject({ code: 'invalid' });
    await expect(agentStop({ lab, host: 'h9' }, signal)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('labExec and labRun', () => {
  test('hand on the exit code, and 128 + n for a signal', async () => {
    expect(await labExec(ref, ['sh', '-c', 'exit 7'], signal)).toBe(7);
    expect(await labExec(ref, ['sh', '-c', 'kill -9 $$'], signal)).toBe(137);
    expect(await labExec({ lab, host: 'control' }, ['true'], signal)).toBe(0);
  });

  test('pass arguments as they are', async () => {
    const words = ['a b', '$(id)', '"', '*', '-x', 'é', ''];
    const { stdout } = await labRun(ref, ['printf', '%s\\n', ...words], {}, signal);
    expect(stdout).toBe(`${words.join('\n')}\n`);
  });

  test('end what takes too long, and what is no longer wanted', async () => {
    await expect(labRun(ref, ['sleep', '98003'], { deadlineMs: 50 }, signal)).rejects.toMatchObject({
      code: 'deadline',
    });
    await expect(labRun(ref, ['sleep', '98003'], {}, AbortSignal.timeout(50))).rejects.toThrow('timeout');
    const controller = new AbortController();
    const code = labExec(ref, ['sleep', '98033'], controller.signal);
    await eventually('it runs', () => labProcesses(ref).some(({ argv }) => argv[1] === '98033'));
    controller.abort();
    expect(await code).toBe(143);
    // All that is left is the agent.
    await eventually('they are gone', () => labProcesses(ref).filter(({ argv }) => argv[1] === '98003').length === 1);
  });

  test('refuse what is not there', async () => {
    await expect(labRun({ lab, host: 'h9' }, ['true'], {}, signal)).rejects.toMatchObject({ code: 'not_found' });
    await expect(labRun({ lab, vm: 'x' }, ['true'], {}, signal)).rejects.toMatchObject({ code: 'not_found' });
    await expect(labRun({ lab: 'nolab', host: 'h1' }, ['true'], {}, signal)).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
