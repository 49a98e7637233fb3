import { expect, test } from 'vitest';
import type { Operation } from '../../model/operation.ts';
import type { BatchRunner } from '../../sys/batch-child.ts';
import type { Sysctl } from '../../sys/sysctl.ts';
import { applyOperations } from './apply.ts';
import type { Tools } from './apply.ts';

const never = new AbortController().signal;

/** Tools that note when what began and ended, and fail lines as told. */
class Bench {
  readonly log: string[] = [];
  readonly fails = new Map<string, string>();
  refreshed = 0;
  broken = false;

  get tools(): Tools {
    const [ip, bridge, nft] = [this.#tool('ip'), this.#tool('bridge'), this.#tool('nft')];
    return { ip, bridge, nft, sysctl: this.#sysctl, onStep: () => undefined };
  }

  #tool(name: string): BatchRunner {
    return {
      run: async (lines) => {
        this.log.push(`${name}> ${lines.join(', ')}`);
        await Promise.resolve();
        if (this.broken && name === 'bridge') throw new Error('gone');
        this.log.push(`${name}<`);
        return lines.map((line) => this.fails.get(line));
      },
      refresh: () => {
        this.refreshed += 1;
      },
    };
  }

  readonly #sysctl: Sysctl = {
    read: async () => Promise.resolve(undefined),
    write: async (name, value) => {
      this.log.push(`sysctl ${name}=${value}`);
      await Promise.resolve();
    },
  };
}

const step = (kind: string, command: string, key: string, needs?: string): Operation => ({
  kind,
  key,
  argv: command.split(' '),
  reason: 'because',
  ...(needs !== undefined && { needs: [needs] }),
});

const row = (n: number): Operation =>
  step('replace-fdb', `bridge row ${n.toString()}`, `fdb:${n.toString()}`, 'link:vx');
const neighbour = (n: number): Operation =>
  step('replace-neighbour', `ip neigh ${n.toString()}`, `neigh:${n.toString()}`, 'link:vx');

test('rows and neighbours go at once, flood rows after them, deletions last', async () => {
  const bench = new Bench();
  await applyOperations(
    bench.tools,
    [
      row(1),
      neighbour(1),
      row(2),
      step('append-flood', 'bridge flood', 'flood'),
      step('delete-fdb', 'bridge del', 'del'),
      step('delete-neighbour', 'ip del', 'ndel'),
    ],
    never,
  );
  expect(bench.log).toEqual([
    'bridge> row 1, row 2',
    'ip> neigh 1',
    'bridge<',
    'ip<',
    'bridge> flood, del',
    'bridge<',
    'ip> del',
    'ip<',
  ]);
});

test('what is for one tool alone goes in one piece', async () => {
  const bench = new Bench();
  await applyOperations(
    bench.tools,
    [row(1), step('append-flood', 'bridge flood', 'flood'), step('delete-fdb', 'bridge del', 'del')],
    never,
  );
  expect(bench.log).toEqual(['bridge> row 1, flood, del', 'bridge<']);
});

test('what needs a device waits until it is made, and is not tried when it was not', async () => {
  const bench = new Bench();
  bench.fails.set('link add vx', 'RTNETLINK answers: File exists');
  const operations = [
    step('add-bridge', 'ip link add br', 'link:br'),
    step('add-vxlan', 'ip link add vx', 'link:vx'),
    step('mark-link', 'ip link set br', 'link:br', 'link:br'),
    step('mark-link', 'ip link set vx', 'link:vx', 'link:vx'),
    step('isolate-bridge', 'sysctl -w a.b=1 c.d=2', 'link:br', 'link:br'),
    row(1),
  ];
  const outcomes = await applyOperations(bench.tools, operations, never);
  expect(outcomes.map(({ operation }) => operation)).toEqual(operations);
  expect(outcomes.map(({ error }) => error)).toEqual([
    undefined,
    'RTNETLINK answers: File exists',
    undefined,
    'not tried: link:vx failed',
    undefined,
    'not tried: link:vx failed',
  ]);
  expect(bench.log).toEqual([
    'ip> link add br, link add vx',
    'ip<',
    'ip> link set br',
    'ip<',
    'sysctl a.b=1',
    'sysctl c.d=2',
  ]);
});

test('a row that fails fails alone; what is to go and is gone is done', async () => {
  const bench = new Bench();
  bench.fails.set('row 1', 'RTNETLINK answers: Address family not supported by protocol');
  for (const line of ['del', 'flood']) bench.fails.set(line, 'RTNETLINK answers: No such file or directory');
  bench.fails.set('again', 'RTNETLINK answers: File exists');
  const outcomes = await applyOperations(
    bench.tools,
    [
      row(1),
      row(2),
      step('append-flood', 'bridge again', 'a'),
      step('append-flood', 'bridge flood', 'f'),
      step('delete-fdb', 'bridge del', 'd'),
    ],
    never,
  );
  expect(outcomes.map(({ error }) => error)).toEqual([
    'RTNETLINK answers: Address family not supported by protocol',
    undefined,
    undefined,
    'RTNETLINK answers: No such file or directory',
    undefined,
  ]);
});

test('after a device is taken away its number is forgotten', async () => {
  const bench = new Bench();
  await applyOperations(bench.tools, [row(1)], never);
  expect(bench.refreshed).toBe(0);
  await applyOperations(bench.tools, [step('delete-vxlan', 'ip link del dev vx', 'link:vx')], never);
  expect(bench.refreshed).toBe(2);
});

test('it rejects when a tool is away, once nothing of it is being done any more', async () => {
  const bench = new Bench();
  bench.broken = true;
  await expect(
    applyOperations(bench.tools, [row(1), neighbour(1), step('append-flood', 'bridge flood', 'f')], never),
  ).rejects.toThrow('gone');
  expect(bench.log).toEqual(['bridge> row 1', 'ip> neigh 1', 'ip<']);
});

test('many lines go in pieces, in order', async () => {
  const bench = new Bench();
  const outcomes = await applyOperations(
    bench.tools,
    Array.from({ length: 2_500 }, (_, n) => row(n)),
    never,
  );
  expect(outcomes).toHaveLength(2_500);
  const sent = bench.log.filter((line) => line.startsWith('bridge>')).flatMap((line) => line.slice(8).split(', '));
  expect(sent).toEqual(Array.from({ length: 2_500 }, (_, n) => `row ${n.toString()}`));
});
