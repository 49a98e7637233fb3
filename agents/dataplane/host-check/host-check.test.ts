import { expect, test } from 'vitest';
import { HostCommands } from '../sys/command.ts';
import { ownSysctl } from '../sys/sysctl.ts';
import { VswitchDatabase } from '../protocols/ovsdb/vswitch-database.ts';
import type { Check } from './check.ts';
import { judged, PASSED, remedyLine, run, skipped, type Finding } from './finding.ts';
import { HostCheck } from './host-check.ts';

const never = new AbortController().signal;
const finding = (wish: Partial<Finding>): Finding => ({
  ...{ severity: 'warning', title: 'amiss', evidence: ['seen'], remedy: [] },
  ...wish,
});

/** A host whose files are kept in memory; the checks look at nothing else. */
const hostWith = (files: Map<string, string>, checks: readonly Check[]): HostCheck => {
  const database = new VswitchDatabase({
    path: '/nowhere/db.sock',
    dial: async () => Promise.reject(new Error('there is nobody')),
  });
  const commands = new HostCommands();
  const tools = {
    ...{ commands, database, sysctl: ownSysctl },
    files: {
      read: async (path: string) => Promise.resolve(files.get(path)),
      list: async () => Promise.resolve([]),
      write: async (path: string, text: string) => {
        if (path.startsWith('/forbidden')) return Promise.reject(new Error('EACCES'));
        files.set(path, text);
        return Promise.resolve();
      },
    },
  };
  const sources = { integrationBridge: 'br-int', datapath: 'auto', overlays: () => [], database, commands } as const;
  return new HostCheck(sources, tools, checks);
};

/** Amiss until its file is there. */
const fileCheck = (id: string, path: string, wish: Partial<Finding> = {}): Check => ({
  id,
  run: async (_survey, { files }, signal) =>
    (await files.read(path, signal)) === undefined
      ? judged([finding({ remedy: [{ kind: 'write', path, text: 'text\n' }], fixable: true, ...wish })])
      : PASSED,
});

const wish = { peers: [], networks: [], only: [], fix: false };

test('tells the worst first, and how each check ended', async () => {
  const checks: readonly Check[] = [
    { id: 'good', run: async () => Promise.resolve(PASSED) },
    { id: 'so-so', run: async () => Promise.resolve(judged([finding({ severity: 'notice' }), finding({})])) },
    { id: 'bad', run: async () => Promise.resolve(judged([finding({ severity: 'error' })])) },
    { id: 'elsewhere', run: async () => Promise.resolve(skipped('not here')) },
    { id: 'broken', run: async () => Promise.reject(new Error('no such tool')) },
  ];
  const report = await hostWith(new Map(), checks).look(wish, never);
  expect(report.findings.map(({ check, severity }) => `${check} ${severity}`)).toEqual([
    ...['bad error', 'so-so warning', 'so-so notice'],
  ]);
  expect(report.checks).toEqual([
    { check: 'good', outcome: 'passed', reason: '' },
    { check: 'so-so', outcome: 'found', reason: '' },
    { check: 'bad', outcome: 'found', reason: '' },
    { check: 'elsewhere', outcome: 'skipped', reason: 'not here' },
    { check: 'broken', outcome: 'skipped', reason: 'no such tool' },
  ]);
});

test('mends when it is asked to, looks again, and has nothing to do the next time', async () => {
  const files = new Map<string, string>();
  const host = hostWith(files, [fileCheck('a', '/a'), fileCheck('b', '/b', { fixable: false })]);
  expect((await host.look(wish, never)).findings.map(({ fixed }) => fixed)).toEqual([false, false]);
  expect(files).toEqual(new Map());
  const report = await host.look({ ...wish, fix: true }, never);
  expect(report.findings.map(({ check, fixed }) => [check, fixed])).toEqual([
    ['a', true],
    ['b', false],
  ]);
  expect(files).toEqual(new Map([['/a', 'text\n']]));
  expect((await host.look({ ...wish, fix: true, only: ['a'] }, never)).findings).toEqual([]);
});

test('says what went wrong with a remedy', async () => {
  const host = hostWith(new Map(), [
    fileCheck('a', '/forbidden/a'),
    fileCheck('b', '/b', { remedy: [run('sh', '-c', 'echo no such zone >&2; exit 3')] }),
  ]);
  const { findings } = await host.look({ ...wish, fix: true }, never);
  expect(findings.map(({ fixed, evidence }) => [fixed, evidence])).toEqual([
    [false, ['seen', "printf '%s\\n' text > /forbidden/a: EACCES"]],
    [false, ['seen', "sh -c 'echo no such zone >&2; exit 3': exit status 3: no such zone"]],
  ]);
});

test('a remedy is a line that a shell reads as it was meant', async () => {
  const words = ['a b', "it's", '$HOME', '*', 'plain-1.2/3:4', ''];
  const { stdout } = await new HostCommands().run(
    ['sh', '-c', remedyLine(run('printf', '%s|', ...words))],
    AbortSignal.timeout(5_000),
  );
  expect(stdout).toBe(words.map((word) => `${word}|`).join(''));
});
