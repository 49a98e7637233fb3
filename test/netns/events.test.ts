import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import type { KernelEvent, LinkEvent } from '../../agents/dataplane/model/host.ts';
import { Namespaces } from './namespaces.ts';
import type { Namespace } from './namespaces.ts';
import { entryOf, facts, intentOf, localPort, plugGuest, port, reconcile, startHost, vtep } from './overlay.ts';
import type { Host } from './overlay.ts';

const network = facts(1);
const vxlan = 'vxlan-71';
const [one, two, three] = [port(1), port(2), port(3)];

/** Listens until its scope ends. */
class Listener implements AsyncDisposable {
  readonly events: KernelEvent[] = [];
  readonly #halt = new AbortController();
  readonly #done: Promise<void>;

  constructor(host: Host) {
    this.#done = this.#listen(host);
  }

  get links(): readonly LinkEvent[] {
    return this.events.flatMap((event) => (event.kind === 'link' ? [event.link] : []));
  }

  get rows(): readonly string[] {
    return this.events.flatMap((event) => (event.kind === 'row' ? [event.line] : []));
  }

  has(kind: KernelEvent['kind']): boolean {
    return this.events.some((event) => event.kind === kind);
  }

  /** Forgets what it heard, once the kernel has had time to say all of it. */
  async settle(): Promise<void> {
    for (let count = -1; count !== this.events.length;) {
      count = this.events.length;
      await new Promise((resolve) => {
        setTimeout(resolve, 60);
      });
    }
    this.events.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#halt.abort();
    await this.#done;
  }

  async #listen(host: Host): Promise<void> {
    for await (const event of host.dataplane.events(this.#halt.signal)) this.events.push(event);
  }
}

const setUp = async (namespaces: Namespaces): Promise<{ readonly host: Host; readonly elsewhere: Namespace }> => {
  const namespace = await namespaces.add('a');
  return { host: await startHost(namespace, vtep('host-a', '192.0.2.1')), elsewhere: await namespaces.add('g') };
};

test('tells of the devices that are there, that come, change their bridge and go', async () => {
  await using namespaces = new Namespaces();
  const { host, elsewhere } = await setUp(namespaces);
  await using _host = host;
  await plugGuest(host, elsewhere, one);
  await using listener = new Listener(host);
  await eventually('listed', () => listener.has('listed'));
  expect(listener.links.map(({ kind, name }) => [kind, name])).toEqual([
    ['present', 'lo'],
    ['present', one.device],
  ]);
  await listener.settle();

  await reconcile(host, intentOf(host.identity, network, [localPort(one)], []));
  await eventually('in the bridge', () =>
    listener.links.some(
      ({ name, master, kind }) => kind === 'present' && name === one.device && master === 'brq00000001-00',
    ),
  );
  // What the bridge calls deleted has only left it.
  await host.namespace.must('ip', 'link', 'set', 'dev', one.device, 'nomaster');
  await eventually(
    'out of the bridge',
    () => listener.links.findLast(({ name }) => name === one.device)?.master === undefined,
  );
  expect(listener.links.filter(({ kind }) => kind === 'gone')).toEqual([]);

  await host.namespace.must('ip', 'link', 'set', 'dev', one.device, 'down');
  await host.namespace.must('ip', 'link', 'set', 'dev', one.device, 'name', 'tapother');
  await eventually('renamed', () => listener.links.some(({ name }) => name === 'tapother'));
  expect(listener.links.filter(({ kind }) => kind === 'gone').map(({ name }) => name)).toEqual([one.device]);
  await host.namespace.must('ip', 'link', 'del', 'dev', 'tapother');
  await eventually('gone', () => listener.links.findLast(({ name }) => name === 'tapother')?.kind === 'gone');
});

test('tells of rows that somebody else changed, once per device, and of none of our own', async () => {
  await using namespaces = new Namespaces();
  const { host } = await setUp(namespaces);
  await using _host = host;
  await using listener = new Listener(host);
  await eventually('listed', () => listener.has('listed'));
  const [b, c] = [vtep('host-b', '192.0.2.2'), vtep('host-c', '192.0.2.3')];
  for (const entries of [
    [entryOf(two, b), entryOf(three, c)],
    [entryOf(two, c), entryOf(three, b)],
    [entryOf(two, b)],
    [entryOf(two, c), entryOf(three, c)],
  ]) {
    await reconcile(host, intentOf(host.identity, network, [], entries));
  }
  await listener.settle();
  expect(listener.rows).toEqual([]);

  const { namespace } = host;
  for (const byHand of [
    ['bridge', 'fdb', 'del', two.mac, 'dev', vxlan, 'self'],
    ['bridge', 'fdb', 'replace', two.mac, 'dev', vxlan, 'dst', '192.0.2.9', 'self', 'static'],
    ['bridge', 'fdb', 'del', three.mac, 'dev', vxlan, 'master'],
    ['bridge', 'fdb', 'del', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '192.0.2.3', 'self'],
    ['bridge', 'fdb', 'append', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '192.0.2.8', 'self', 'permanent'],
    ['ip', 'neigh', 'del', two.ips[0] ?? '', 'dev', vxlan],
    ['ip', 'neigh', 'replace', two.ips[1] ?? '', 'lladdr', one.mac, 'nud', 'permanent', 'dev', vxlan],
  ]) {
    await namespace.must(...byHand);
    await eventually(byHand.join(' '), () =>
      listener.events.some((event) => event.kind === 'row' && event.device === vxlan),
    );
    await reconcile(host, intentOf(host.identity, network, [], [entryOf(two, c), entryOf(three, c)]));
    await listener.settle();
  }
});

test('after a monitor died it says that events were lost, and tells what changed meanwhile', async () => {
  await using namespaces = new Namespaces();
  const { host, elsewhere } = await setUp(namespaces);
  await using _host = host;
  await using listener = new Listener(host);
  await eventually('listed', () => listener.has('listed'));
  await listener.settle();
  for (const pid of childrenRunning('-o monitor link')) process.kill(pid, 'SIGKILL');
  await plugGuest(host, elsewhere, one);
  await eventually('overrun', () => listener.has('overrun'), 5_000);
  await eventually('the new tap', () => listener.links.some(({ name }) => name === one.device), 5_000);
});

test('a device whose end was lost, while older words of it were still on their way, is told to be gone', async () => {
  await using namespaces = new Namespaces();
  const { host, elsewhere } = await setUp(namespaces);
  await using _host = host;
  await using listener = new Listener(host);
  await eventually('listed', () => listener.has('listed'));
  await plugGuest(host, elsewhere, one);
  await eventually('the tap', () => listener.links.some(({ name }) => name === one.device));
  const monitors = childrenRunning('-o monitor link');
  const folder = mkdtempSync(join(tmpdir(), 'weft-events-'));
  try {
    // More than the kernel keeps for who does not read: what comes first waits to be read, the rest is lost.
    for (const pid of monitors) process.kill(pid, 'SIGSTOP');
    const lines = Array.from(
      { length: 4_000 },
      (_, at) => `link set dev ${one.device} mtu ${(1_300 + (at % 2)).toString()}`,
    );
    writeFileSync(join(folder, 'changes'), `${lines.join('\n')}\nlink delete dev ${one.device}\n`);
    await host.namespace.must('ip', '-batch', join(folder, 'changes'));
  } finally {
    for (const pid of monitors) process.kill(pid, 'SIGCONT');
    rmSync(folder, { recursive: true });
  }
  await eventually('overrun', () => listener.has('overrun'), 5_000);
  const last = (): string | undefined => listener.links.findLast(({ name }) => name === one.device)?.kind;
  await eventually('gone', () => last() === 'gone', 5_000);
  // Nor does it come back.
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  expect(last()).toBe('gone');
});

/** Processes that this one started, by what they run. */
const childrenRunning = (command: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
        return (
          parent === process.pid.toString() &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(command)
        );
      } catch {
        return false;
      }
    })
    .map(Number);

test('nothing that it started outlives it, though it is killed', async () => {
  await using namespaces = new Namespaces();
  const namespace = await namespaces.add('a');
  const fixture = fileURLToPath(import.meta.resolve('./watcher.fixture.ts'));
  const words = ['netns', 'exec', namespace.name, process.execPath, fixture];
  const child = spawn('ip', words, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  await once(child, 'message');
  const pids = async (): Promise<number> =>
    (await namespace.must('ip', 'netns', 'pids', namespace.name)).split('\n').filter((line) => line !== '').length;
  // Itself, two tools, two monitors, and the one that counts.
  expect(await pids()).toBeGreaterThanOrEqual(5);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await eventually('nobody is left', async () => (await pids()) <= 1);
});
