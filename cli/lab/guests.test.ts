import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { labDown } from './down.ts';
import { labRun } from './exec.ts';
import { switchOver, vmMove } from './guest-move.ts';
import { INCOMING_DEVICE, pairLines, parseGuestPort, plugLine, stationLines } from './guest-port.ts';
import type { GuestPortSpec } from './guest-port.ts';
import { vmBoot, vmKill, vmList } from './guests.ts';
import { hostNamespace, parseGuestName, parseLabHostName, parseLabName } from './names.ts';
import { allNamespaces } from './namespaces.ts';
import { Tools } from './run.ts';
import { existingLab } from './store.ts';
import { labUp } from './up.ts';

const signal = new AbortController().signal;
const lab = 'guests';
const tools = new Tools();
const namespace = (host: string): string => hostNamespace(parseLabName('lab', lab), parseLabHostName('host', host));

/** A plain bridge over the underlay on each host: eth0 and the taps are its ports. */
beforeAll(async () => {
  // A run that was killed may have left it.
  await labDown(lab, {}, signal);
  await labUp({ name: lab, hosts: 2 }, signal);
  for (const host of ['h1', 'h2']) {
    await tools.ipBatch(
      namespace(host),
      ['link add name br0 up type bridge forward_delay 0 mcast_snooping 0', 'link set dev eth0 master br0'],
      signal,
    );
  }
});

afterEach(async () => {
  for (const { name } of vmList(lab)) await vmKill({ lab, name }, signal);
});

afterAll(async () => {
  await labDown(lab, {}, signal);
});

const port = (n: number): GuestPortSpec => ({
  id: `${n.toString().padStart(8, '0')}-0000-4000-8000-00000000abcd`,
  mac: `fa:16:3e:00:00:0${n.toString()}`,
  ips: [
    { address: `10.1.0.${n.toString()}`, prefix: 24 },
    { address: `2001:db8:1::${n.toString()}`, prefix: 64 },
  ],
  mtu: 1450,
});

const enslave = async (host: string, tap: string): Promise<void> => {
  await tools.ipBatch(namespace(host), [`link set dev ${tap} master br0`], signal);
};

const boot = async (name: string, host: string, n: number): Promise<string> => {
  const { tap } = await vmBoot({ lab, host, name, port: port(n) }, signal);
  await enslave(host, tap);
  return tap;
};

const inVm = async (vm: string, ...argv: readonly string[]): Promise<string> =>
  (await labRun({ lab, vm }, argv, { deadlineMs: 10_000 }, signal)).stdout;

const devices = async (host: string): Promise<string> =>
  (await labRun({ lab, host }, ['ip', '-brief', 'link'], {}, signal)).stdout;

describe('vmBoot', () => {
  test('makes a guest with its MAC, addresses and MTU, and a tap with the same MTU', async () => {
    const guest = await vmBoot({ lab, host: 'h1', name: 'a', port: { ...port(1), gateways: ['10.1.0.254'] } }, signal);
    expect(guest).toMatchObject({ name: 'a', host: 'h1', tap: 'tap00000001-00', alive: true });
    const addresses = await inVm('a', 'ip', 'address', 'show', 'dev', 'eth0');
    expect(addresses).toContain('mtu 1450');
    expect(addresses).toContain('link/ether fa:16:3e:00:00:01');
    expect(addresses).toContain('inet 10.1.0.1/24');
    expect(addresses).toContain('inet6 2001:db8:1::1/64');
    expect(addresses).not.toContain('tentative');
    expect(await inVm('a', 'ip', 'route')).toContain('default via 10.1.0.254 dev eth0');
    expect(await devices('h1')).toMatch(/^tap00000001-00@\S+ +UP +fe:16:3e:00:00:01 /m);
    expect(vmList(lab)).toEqual([guest]);
  });

  test('shows a host’s watcher the tap with its address and MTU from the first word on', async () => {
    const watching = labRun({ lab, host: 'h1' }, ['timeout', '0.5', 'ip', 'monitor', 'link'], {}, signal);
    await sleep(100, signal);
    await vmBoot({ lab, host: 'h1', name: 'a', port: port(1) }, signal);
    const [first = ''] = /^\d+: tap[^]*?^\s+link\/ether \S+/m.exec((await watching).stdout) ?? [];
    expect(first).toMatch(/^\d+: tap00000001-00@[^]*mtu 1450[^]*link\/ether fe:16:3e:00:00:01$/);
  });

  test('guests of one name, on no host or with a bad port are refused, and nothing is left of them', async () => {
    await boot('a', 'h1', 1);
    const other = { lab, host: 'h1', name: 'b', port: port(2) };
    await expect(vmBoot({ ...other, name: 'a' }, signal)).rejects.toMatchObject({ code: 'exists' });
    await expect(vmBoot({ ...other, host: 'h9' }, signal)).rejects.toMatchObject({ code: 'not_found' });
    await expect(vmBoot({ ...other, port: { ...port(2), mac: 'x' } }, signal)).rejects.toMatchObject({
      code: 'invalid',
    });
    await expect(vmBoot({ ...other, port: { ...port(2), mtu: 1 } }, signal)).rejects.toMatchObject({ code: 'invalid' });
    const ips = [{ address: '10.1.0.2', prefix: 33 }];
    await expect(vmBoot({ ...other, port: { ...port(2), ips } }, signal)).rejects.toMatchObject({ code: 'invalid' });
    // The tap is there already: only the kernel can tell, at the last step.
    await expect(vmBoot({ ...other, port: port(1) }, signal)).rejects.toMatchObject({ reason: 'LAB_COMMAND_FAILED' });
    expect(vmList(lab).map(({ name }) => name)).toEqual(['a']);
    expect(allNamespaces().filter((name) => name.startsWith('weft-guests-vm-'))).toEqual(['weft-guests-vm-a']);
    expect(await devices('h1')).toContain('tap00000001-00');
  });

  test('many at once do not get into each other’s way', async () => {
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    await Promise.all(numbers.map(async (n) => await boot(`g${n.toString()}`, n % 2 === 0 ? 'h1' : 'h2', n)));
    expect(await inVm('g1', 'ping', '-c', '1', '-W', '1', '10.1.0.8')).toContain(' 0% packet loss');
    expect(await inVm('g1', 'ping', '-c', '1', '-W', '1', '2001:db8:1::8')).toContain(' 0% packet loss');
    await Promise.all(
      numbers.map(async (n) => {
        await vmKill({ lab, name: `g${n.toString()}` }, signal);
      }),
    );
    expect(await devices('h1')).not.toContain('tap');
  });
});

describe('vmKill', () => {
  test('takes the tap, the namespace and what runs in it, at once', async () => {
    await boot('a', 'h1', 1);
    const running = labRun({ lab, vm: 'a' }, ['sleep', '98004'], {}, signal);
    await sleep(50, signal);
    await vmKill({ lab, name: 'a' }, signal);
    expect((await running).exitCode).toBe(143);
    expect(await devices('h1')).not.toContain('tap');
    expect(vmList(lab)).toEqual([]);
    await expect(vmKill({ lab, name: 'a' }, signal)).rejects.toMatchObject({ code: 'not_found' });
    await boot('a', 'h2', 1);
  });
});

describe('a guest whose boot was cut short', () => {
  test('is seen, and can be killed', async () => {
    const store = existingLab(parseLabName('lab', lab));
    const spec = parseGuestPort(port(1));
    const name = parseGuestName('name', 'a');
    store.claimGuest({
      name,
      host: store.host(parseLabHostName('host', 'h1')).name,
      tap: 'tap1',
      port: spec,
      phase: 'booting',
    });
    expect(vmList(lab)).toMatchObject([{ name: 'a', alive: false }]);
    await expect(vmMove({ lab, name: 'a', toHost: 'h2' }, signal)).rejects.toMatchObject({ reason: 'GUEST_UNSETTLED' });
    await vmKill({ lab, name: 'a' }, signal);
    expect(vmList(lab)).toEqual([]);
  });
});

/** Pings every 5 ms while `work` runs; tells how many were sent and how many came back. */
const pingDuring = async (
  from: string,
  to: string,
  work: () => Promise<void>,
): Promise<{ readonly sent: number; readonly received: number }> => {
  // The first one finds the neighbour.
  await inVm(from, 'ping', '-c', '1', '-W', '1', to);
  const ping = inVm(from, 'ping', '-q', '-i', '0.005', '-w', '1', to);
  await sleep(200, signal);
  await work();
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(await ping) ?? [];
  return { sent: Number(sent), received: Number(received) };
};

describe('vmMove', () => {
  test.each(['10.1.0.2', '2001:db8:1::2'])('a guest that moves is reached at %s all along', async (address) => {
    await boot('a', 'h1', 1);
    const tap = await boot('b', 'h2', 2);
    const { sent, received } = await pingDuring('a', address, async () => {
      const moved = await vmMove(
        {
          lab,
          name: 'b',
          toHost: 'h1',
          ready: async () => {
            await enslave('h1', tap);
          },
        },
        signal,
      );
      expect(moved).toMatchObject({ host: 'h1', tap, alive: true });
    });
    expect(sent).toBeGreaterThan(100);
    // The last may be on its way when time is up.
    expect(sent - received).toBeLessThanOrEqual(1);
    expect(await devices('h1')).toContain(tap);
    expect(await devices('h2')).not.toContain('tap');
    expect(
      (await inVm('b', 'ip', '-brief', 'link'))
        .trim()
        .split('\n')
        .map((line) => line.split(/[@ ]/)[0]),
    ).toEqual(['lo', 'eth0']);
    expect(vmList(lab).find(({ name }) => name === 'b')).toEqual({
      name: 'b',
      host: 'h1',
      tap,
      port: parseGuestPort(port(2)),
      alive: true,
      isMachine: false,
    });
  });

  test('it works both ways, keeps default routes, and the guest is reached when it is the one that pings', async () => {
    const gateways = ['10.1.0.254', '2001:db8:1::254'];
    const { tap } = await vmBoot({ lab, host: 'h1', name: 'a', port: { ...port(1), gateways } }, signal);
    await enslave('h1', tap);
    await boot('b', 'h2', 2);
    const { sent, received } = await pingDuring('a', '10.1.0.2', async () => {
      await vmMove(
        {
          lab,
          name: 'a',
          toHost: 'h2',
          ready: async () => {
            await enslave('h2', tap);
          },
        },
        signal,
      );
      await vmMove(
        {
          lab,
          name: 'a',
          toHost: 'h1',
          ready: async () => {
            await enslave('h1', tap);
          },
        },
        signal,
      );
    });
    expect(sent - received).toBeLessThanOrEqual(1);
    expect(await inVm('a', 'ip', 'route')).toMatch(/^default via 10\.1\.0\.254 dev eth0 *$/m);
    expect(await inVm('a', 'ip', '-6', 'route')).toContain('default via 2001:db8:1::254 dev eth0');
  });

  test('by itself it waits until the new tap is in a bridge', async () => {
    const tap = await boot('a', 'h1', 1);
    const order: string[] = [];
    const move = vmMove({ lab, name: 'a', toHost: 'h2', lingerMs: 0 }, signal).then(() => order.push('moved'));
    await eventually('the second tap is there', async () => (await devices('h2')).includes(tap));
    expect(await devices('h1')).toContain(tap);
    await sleep(30, signal);
    expect(order).toEqual([]);
    await enslave('h2', tap);
    await move;
    expect(await devices('h1')).not.toContain('tap');
  });

  test('a place that does not become ready leaves the guest where it was', async () => {
    const tap = await boot('a', 'h1', 1);
    await boot('b', 'h2', 2);
    const move = vmMove({ lab, name: 'a', toHost: 'h2', readyWithinMs: 50 }, signal);
    await expect(move).rejects.toMatchObject({ code: 'deadline' });
    expect(await devices('h2')).not.toContain(tap);
    expect(await inVm('a', 'ping', '-c', '1', '-W', '1', '10.1.0.2')).toContain(' 0% packet loss');
    expect(vmList(lab)[0]).toMatchObject({ name: 'a', host: 'h1' });
    expect(vmList(lab)[0]?.movingTo).toBeUndefined();
    await expect(vmMove({ lab, name: 'a', toHost: 'h1' }, signal)).rejects.toMatchObject({ reason: 'GUEST_IS_THERE' });
  });

  test('the guest announces itself: bridges learn its new place without a frame of its own', async () => {
    const tap = await boot('a', 'h1', 1);
    await vmMove(
      {
        lab,
        name: 'a',
        toHost: 'h2',
        ready: async () => {
          await enslave('h2', tap);
        },
        lingerMs: 0,
      },
      signal,
    );
    const fdb = await labRun({ lab, host: 'underlay' }, ['bridge', 'fdb', 'show', 'br', 'underlay'], {}, signal);
    expect(fdb.stdout).toMatch(/^fa:16:3e:00:00:01 dev u-h2 /m);
  });

  test('on a kernel that renames only what is down, the guest ends up the same', async () => {
    const tap = await boot('a', 'h1', 1);
    await boot('b', 'h2', 2);
    const a = parseGuestPort(port(1));
    const guest = 'weft-guests-vm-a';
    await tools.ipBatch(guest, [...pairLines(a, INCOMING_DEVICE), plugLine(a, namespace('h2'))], signal);
    await enslave('h2', tap);
    await tools.ipBatch(guest, stationLines(a, INCOMING_DEVICE, 'add'), signal);
    // The line that such a kernel refuses.
    await switchOver(tools, guest, a, signal, ['link set dev eth0 name not/a/name']);
    await tools.ipBatch(guest, ['link delete dev old0'], signal);
    expect(await inVm('a', 'ip', '-brief', 'address', 'show', 'dev', 'eth0')).toMatch(
      /10\.1\.0\.1\/24 2001:db8:1::1\/64/,
    );
    expect(await inVm('a', 'ping', '-c', '2', '-i', '0.2', '-W', '1', '10.1.0.2')).toContain(' 0% packet loss');
  });
});
