import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { Namespaces } from './namespaces.ts';
import type { Namespace } from './namespaces.ts';
import { bootGuest, entryOf, facts, intentOf, localPort, port, reconcile, twoHosts } from './overlay.ts';
import type { Host } from './overlay.ts';

const [one, two] = [port(1), port(2)];
let namespaces: Namespaces;
let a: Host;
let b: Host;
let guest: Namespace;

beforeAll(async () => {
  namespaces = new Namespaces();
  [a, b] = await twoHosts(namespaces);
  guest = await bootGuest(namespaces, a, one);
  await bootGuest(namespaces, b, two);
  const entries = [entryOf(one, a.identity.vtep), entryOf(two, b.identity.vtep)];
  await reconcile(a, intentOf(a.identity, facts(1), [localPort(one)], entries));
  await reconcile(b, intentOf(b.identity, facts(1), [localPort(two)], entries));
});

afterAll(async () => {
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
  await namespaces[Symbol.asyncDispose]();
});

const neighbourOf = async (ip: string): Promise<string> => await guest.must('ip', 'neigh', 'show', ip, 'dev', 'eth0');

test('what must reach everybody is replicated to the other host', async () => {
  const said = await guest.run('ping', '-6', '-c', '2', '-i', '0.1', '-W', '1', '-I', 'fd00::1', 'ff02::1%eth0');
  expect(said.stdout).toContain('from fd00::2');
});

test.each(two.ips)('the address of %s is answered on this host, though the underlay is cut', async (ip) => {
  await a.namespace.must('ip', 'link', 'set', 'eth0', 'down');
  try {
    await guest.must('ip', 'neigh', 'flush', 'dev', 'eth0');
    const said = await guest.run('ping', '-c', '1', '-W', '0.2', ip);
    expect(said.status).not.toBe(0);
    expect(await neighbourOf(ip)).toContain(`lladdr ${two.mac}`);
  } finally {
    await a.namespace.must('ip', 'link', 'set', 'eth0', 'up');
    if (a.identity.vtep.address === '192.0.2.1') {
      await eventually(
        'the underlay is back',
        async () => (await guest.run('ping', '-c', '1', '-W', '0.2', '10.0.0.2')).status === 0,
      );
    }
  }
});

test('no question for a known address leaves the host', async () => {
  const ask = async (): Promise<void> => {
    await guest.must('ip', 'neigh', 'flush', 'dev', 'eth0');
    await guest.run('ping', '-c', '1', '-W', '0.5', two.ips[0] ?? '');
  };
  await ask();
  const before = await a.namespace.sent('vxlan-71');
  for (let n = 0; n < 5; n += 1) await ask();
  // Five echo requests and nothing else; the answers to ARP do not pass the device's queue outward.
  expect((await a.namespace.sent('vxlan-71')) - before).toBeLessThanOrEqual(6);
});

test('a guest does not reach the IP stack of its host', async () => {
  const bridge = 'brq00000001-00';
  // The underlay's address, asked for on the overlay: neither ARP nor a frame straight to the bridge is answered.
  await guest.must('ip', 'addr', 'add', '192.0.2.77/24', 'dev', 'eth0');
  expect((await guest.run('ping', '-c', '1', '-W', '0.3', '192.0.2.1')).status).not.toBe(0);
  const [link] = JSON.parse(await a.namespace.must('ip', '-json', 'link', 'show', 'dev', bridge)) as readonly {
    readonly address: string;
  }[];
  await guest.must(
    'ip',
    'neigh',
    'replace',
    '192.0.2.1',
    'lladdr',
    link?.address ?? '',
    'dev',
    'eth0',
    'nud',
    'permanent',
  );
  const received = async (): Promise<string> =>
    (await a.namespace.must('cat', '/proc/net/snmp'))
      .split('\n')
      .filter((line) => line.startsWith('Icmp:'))
      .at(-1) ?? '';
  const before = await received();
  expect((await guest.run('ping', '-c', '2', '-i', '0.05', '-W', '0.3', '192.0.2.1')).status).not.toBe(0);
  expect(await received()).toBe(before);
  expect(await a.namespace.must('ip', '-6', 'addr', 'show', 'dev', bridge)).toBe('');
});
