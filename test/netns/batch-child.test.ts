import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { BatchChild } from '../../agents/dataplane/sys/batch-child.ts';
import { Namespaces } from './namespaces.ts';
import type { Namespace } from './namespaces.ts';

const never = new AbortController().signal;
const ROW = 'fdb replace fa:16:3e:00:00:01 dev vxlan-70 dst 192.0.2.5 self static';
let namespaces: Namespaces;
let host: Namespace;

const addVxlan = async (): Promise<void> => {
  await host.run('ip', 'link', 'del', 'dev', 'vxlan-70');
  await host.must(
    'ip',
    'link',
    'add',
    'name',
    'vxlan-70',
    'type',
    'vxlan',
    'id',
    '70',
    'dstport',
    '4789',
    'local',
    '192.0.2.1',
  );
};

beforeAll(async () => {
  namespaces = new Namespaces();
  host = await namespaces.add('a');
});

afterAll(async () => {
  await namespaces[Symbol.asyncDispose]();
});

const pidOf = (tool: string): number => {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return (
          parent === process.pid.toString() &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${tool}\0-force`)
        );
      } catch {
        return false;
      }
    });
  return Number(pids[0]);
};

test('each line is answered for itself: done, refused by the kernel, or not understood', async () => {
  await using _ = leakCheck();
  await addVxlan();
  await using bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix });
  const answers = await bridge.run(
    [
      ROW,
      'fdb del fa:16:3e:00:00:99 dev vxlan-70 self',
      'fdb replace nonsense dev vxlan-70 self',
      // These two end the tool.
      'fdb replace fa:16:3e:00:00:02 dev vxlan-70 dst nowhere self',
      'nonsense',
      'fdb replace fa:16:3e:00:00:03 dev vxlan-70 dst 192.0.2.5 self static',
      'fdb "quoted"',
      'fdb del fa:16:3e:00:00:01 dev absent self',
    ],
    never,
  );
  expect(answers).toEqual([
    undefined,
    'RTNETLINK answers: No such file or directory',
    expect.stringContaining('nvalid mac address nonsense'),
    expect.stringContaining('nowhere'),
    expect.stringContaining('nonsense'),
    undefined,
    'not tried: it cannot stand in a batch',
    expect.stringContaining('Cannot find device "absent"'),
  ]);
  expect(await host.must('bridge', 'fdb', 'show', 'dev', 'vxlan-70')).toContain('fa:16:3e:00:00:03 dst 192.0.2.5');
});

test('`ip neigh` ends over any error, and still every line has its answer', async () => {
  await addVxlan();
  await using ip = new BatchChild({ tool: 'ip', prefix: host.prefix });
  const lines = Array.from({ length: 20 }, (_, n) =>
    n % 4 === 0
      ? `neigh del 10.0.0.${n.toString()} dev vxlan-70`
      : `neigh replace 10.0.0.${n.toString()} lladdr fa:16:3e:00:00:01 nud permanent dev vxlan-70`,
  );
  const answers = await ip.run(lines, never);
  for (const [n, answer] of answers.entries()) {
    if (n % 4 === 0) expect(answer).toContain('No such file or directory');
    else expect(answer).toBeUndefined();
  }
  const neighbours = JSON.parse(
    await host.must('ip', '-json', 'neigh', 'show', 'dev', 'vxlan-70'),
  ) as readonly unknown[];
  expect(neighbours).toHaveLength(15);
});

test('calls do not wait for each other and keep their order', async () => {
  await addVxlan();
  await using bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix });
  const calls = Array.from({ length: 200 }, async (_, n) =>
    bridge.run(
      [
        `fdb replace fa:16:3e:00:00:01 dev vxlan-70 dst 192.0.2.${(n % 200).toString()} self static`,
        'fdb del fa:16:3e:00:00:98 dev vxlan-70 self',
      ],
      never,
    ),
  );
  expect(new Set((await Promise.all(calls)).map((answers) => JSON.stringify(answers))).size).toBe(1);
  expect(await host.must('bridge', 'fdb', 'show', 'dev', 'vxlan-70')).toContain('dst 192.0.2.199');
});

test('a name that came back as another device is found under its new number', async () => {
  await addVxlan();
  await using bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix });
  await using ip = new BatchChild({ tool: 'ip', prefix: host.prefix });
  expect(await bridge.run([ROW], never)).toEqual([undefined]);
  expect(await ip.run(['link show dev vxlan-70'], never)).toEqual([undefined]);
  await addVxlan();
  expect(await ip.run(['link show dev vxlan-70'], never)).toEqual([undefined]);
  for (const refresh of [false, true]) {
    await addVxlan();
    if (refresh) {
      bridge.refresh();
      ip.refresh();
    }
    expect(await bridge.run([ROW, 'fdb del fa:16:3e:00:00:01 dev vxlan-70 self'], never)).toEqual([
      undefined,
      undefined,
    ]);
    expect(await ip.run(['link set dev vxlan-70 mtu 1400', 'link set dev vxlan-70 up'], never)).toEqual([
      undefined,
      undefined,
    ]);
  }
});

test('a tool that is killed fails those who wait for it, and the next call finds another', async () => {
  await addVxlan();
  await using bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix });
  await bridge.start(never);
  process.kill(pidOf('bridge'), 'SIGSTOP');
  const waiting = bridge.run([ROW], never);
  const behind = bridge.run([ROW], never);
  process.kill(pidOf('bridge'), 'SIGKILL');
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  await expect(behind).rejects.toMatchObject({ code: 'unavailable' });
  expect(await bridge.run([ROW], never)).toEqual([undefined]);
});

test('a tool that hangs is ended at the deadline; the abort of one caller ends nothing', async () => {
  await addVxlan();
  await using bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix, deadlineMs: 1_000 });
  await bridge.start(never);
  const abort = new AbortController();
  const given = bridge.run([ROW], abort.signal);
  abort.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  expect(await bridge.run([ROW], never)).toEqual([undefined]);
  process.kill(pidOf('bridge'), 'SIGSTOP');
  await expect(bridge.run([ROW], never)).rejects.toMatchObject({ code: 'deadline' });
  expect(await bridge.run([ROW], never)).toEqual([undefined]);
});

test('a tool that cannot be started is said so, and a stopped one takes nothing more', async () => {
  await using _ = leakCheck();
  await using absent = new BatchChild({ tool: 'ip', prefix: ['ip', 'netns', 'exec', 'weft-test-absent'] });
  await expect(absent.start(never)).rejects.toMatchObject({ code: 'unavailable' });
  const bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix });
  await bridge.start(never);
  await bridge.stop();
  await expect(bridge.run([ROW], never)).rejects.toMatchObject({ code: 'unavailable' });
});

test('twenty thousand lines go through at once', async () => {
  await addVxlan();
  await using bridge = new BatchChild({ tool: 'bridge', prefix: host.prefix });
  const mac = (n: number): string =>
    `fa:16:3e:${[n >> 16, (n >> 8) & 255, n & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
  const lines = Array.from(
    { length: 20_000 },
    (_, n) => `fdb replace ${mac(n)} dev vxlan-70 dst 192.0.2.5 self static`,
  );
  expect((await bridge.run(lines, never)).filter((answer) => answer !== undefined)).toEqual([]);
});
