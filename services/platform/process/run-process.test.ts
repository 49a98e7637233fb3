import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';

const program = fileURLToPath(new URL('fixtures/program.ts', import.meta.url));

/** A program that is gone at the end of the scope, whatever the test found. */
const launch = (...args: readonly string[]) => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  const closed = once(child, 'close') as Promise<[number | null]>;
  return {
    child,
    says: (text: string) => eventually(`says ${text}`, () => output.out.includes(text), 4_000),
    logs: (text: string) => eventually(`logs ${text}`, () => output.err.includes(text), 4_000),
    ended: async () => {
      const [code] = await closed;
      return { code, out: output.out.trim().split('\n'), err: output.err };
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
};

/** The messages of the log lines in `text`. */
const messages = (text: string): readonly unknown[] =>
  text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as Record<string, unknown>)['msg']);

describe.concurrent('a process', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('stops in reverse upon %s and ends with 0', async (signal) => {
    await using launched = launch();
    await launched.logs('running');
    launched.child.kill(signal);
    const { code, out, err } = await launched.ended();
    expect(out).toEqual(['started server', 'started second', 'stopped second', 'stopped server', 'returned']);
    expect(messages(err)).toEqual(['running', 'stopping', 'stopped']);
    expect(code).toBe(0);
  });

  test('ends at once with 130 upon a second signal', async () => {
    await using launched = launch('stop-hangs', '60000');
    await launched.logs('running');
    launched.child.kill('SIGTERM');
    await launched.says('hanging\n');
    launched.child.kill('SIGINT');
    expect((await launched.ended()).code).toBe(130);
  });

  test('leaves behind what does not stop in its grace, stops the rest and ends with 1', async () => {
    await using launched = launch('stop-hangs', '20');
    await launched.logs('running');
    launched.child.kill('SIGTERM');
    const { code, out, err } = await launched.ended();
    expect(out).toContain('stopped server');
    expect(err).toContain('hanging did not stop: still running after 20 ms');
    expect(code).toBe(1);
  });

  test('can be stopped while it starts', async () => {
    await using launched = launch('start-hangs', '20');
    await launched.says('hanging\n');
    launched.child.kill('SIGTERM');
    const { code, out } = await launched.ended();
    expect(out).toEqual(['started server', 'hanging', 'stopped server', 'returned']);
    expect(code).toBe(0);
  });

  test.each([
    ['build-fails', 'no certificate', ['returned']],
    ['start-fails', 'port in use', ['started server', 'stopped server', 'returned']],
    [
      'throws',
      'nobody caught this',
      ['started server', 'started later', 'stopped later', 'stopped server', 'returned'],
    ],
    [
      'rejects',
      'nobody awaited this',
      ['started server', 'started later', 'stopped later', 'stopped server', 'returned'],
    ],
  ])('that %s logs why, stops what had started and ends with 1', async (behaviour, why, steps) => {
    await using launched = launch(behaviour);
    const { code, out, err } = await launched.ended();
    expect(code).toBe(1);
    expect(out).toEqual(steps);
    const failure = err.split('\n').find((line) => line.includes('"failed"')) ?? '{}';
    expect(JSON.parse(failure)).toMatchObject({
      level: 'error',
      err: { message: why, stack: expect.any(String) as string },
    });
  });

  test('has one cause of failure; what fails after it is mentioned', async () => {
    await using launched = launch('fails-twice');
    const { code, err } = await launched.ended();
    expect(code).toBe(1);
    expect(messages(err).filter((message) => message !== 'running')).toEqual([
      'failed',
      'failed while stopping',
      'stopped',
    ]);
  });

  test.each(['bad-setting', 'bad-main'])(
    'told something wrong (%s) says so in one sentence and ends with 2',
    async (behaviour) => {
      await using launched = launch(behaviour);
      const { code, err } = await launched.ended();
      expect(err.split('\n')[0]).toBe('program: listen: "nowhere" is neither unix:/path nor host:port');
      expect(err).not.toContain('    at ');
      expect(code).toBe(2);
    },
  );

  test('that breaks before it has a log says where', async () => {
    await using launched = launch('broken-main');
    const { code, err } = await launched.ended();
    expect(err).toMatch(/^program: Error: no such thing\n {4}at /);
    expect(code).toBe(1);
  });

  test('does not stay for what a stopped component left open, and names it', async () => {
    await using launched = launch('leak');
    await launched.logs('running');
    launched.child.kill('SIGTERM');
    const { code, err } = await launched.ended();
    expect(code).toBe(0);
    expect(err).toMatch(/"resources":\[.*"Timeout".*"left open by what was stopped"/);
  });
});
