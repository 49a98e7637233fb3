import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EventKind, type Event } from '#proto/weft/agent/v1/agent.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { tapOf } from '../bench/taps.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping, tcpCheck, tcpEcho } from '../system/traffic.ts';

describe('guests that leave their checksums to others', () => {
  let weft: LabWeft;
  let network: Network;
  let server: Port;
  let serving: Promise<void>;
  let events: Event[];
  let watching: AbortController;
  let watch: Promise<void>;
  const signal = (): AbortSignal => AbortSignal.timeout(10_000);

  beforeAll(async () => {
    weft = await LabWeft.up({ name: 'wcs', hosts: 2, drivers: ['ovs', 'linuxbridge'] });
    network = await weft.network();
    await weft.subnet(network, '172.16.1.0/24');
    await weft.subnet(network, '2001:db8:1::/64');
    server = await weft.port(network);
    await weft.boot('server', 'h2', server, network);
    serving = tcpEcho(weft.name, 'server', 100_000).catch(() => undefined);
  });

  afterAll(async () => {
    await weft.down();
    await serving;
  });

  beforeEach(async () => {
    events = [];
    watching = new AbortController();
    const agent = await weft.connections.agent('h1');
    watch = (async () => {
      const kinds = [EventKind.EVENT_KIND_WARNING];
      for await (const event of agent.watchEvents({ kinds }, { signal: watching.signal })) events.push(event);
    })().catch(() => undefined);
    // The stream begins at the agent, of which nothing tells.
    await agent.getHostState({});
  });

  afterEach(async () => {
    watching.abort();
    await watch;
  });

  const inGuest = async (guest: string, ...argv: readonly string[]): Promise<string> =>
    await inPlace({ lab: weft.name, vm: guest }, argv);
  /** The flows that copy SYNs of a port to the agent. */
  const copies = async (port: Port): Promise<readonly string[]> => {
    const dump = ['ovs-ofctl', '-O', 'OpenFlow15', '--names', '--no-stats', 'dump-flows', 'br-int', 'table=0'];
    const lines = (await inPlace({ lab: weft.name, host: 'h1' }, dump)).split('\n');
    return lines.filter((line) => line.includes('controller(') && line.includes(tapOf(port.id)));
  };
  const boot = async (name: string): Promise<Port> => {
    const port = await weft.port(network);
    await weft.boot(name, 'h1', port, network);
    await eventually(`${name} is watched`, async () => (await copies(port)).length === 2, 5_000);
    await eventually(
      `${name} is reached`,
      async () => (await ping(weft.name, name, ipOf(server, 4))).received === 2,
      5_000,
    );
    return port;
  };
  const ipOf = (port: Port, version: 4 | 6): string =>
    port.fixed_ips.map(({ ip_address }) => ip_address).find((ip) => ip.includes(':') === (version === 6)) ?? '';

  test.each([4, 6] as const)(
    'IPv%i: are found out by their first SYN, and mended by the command told',
    async (version) => {
      const name = `wrong${version.toString()}`;
      const port = await boot(name);
      // Hosts of a lab do not see names of namespaces: a guest is to them what a container is, which has a process.
      const life = tryInPlace({ lab: weft.name, vm: name }, ['sleep', '60'], 61_000);
      await inGuest(name, 'ethtool', '-K', 'eth0', 'tx', 'on');
      const to = ipOf(server, version);
      expect(await ping(weft.name, name, to)).toEqual({ sent: 2, received: 2 });
      expect(await tcpCheck(weft.name, name, [to])).toEqual({ [to]: false });
      await eventually('the warning', () => events.length > 0);
      const [{ message, ...event }] = events as [Event];
      expect(event).toMatchObject({ kind: EventKind.EVENT_KIND_WARNING, device_name: tapOf(port.id) });
      const shown = (address: string): string => (version === 4 ? address : `[${address}]`);
      expect(message).toContain(`${port.mac_address} leaves its TCP checksums to a device`);
      expect(message).toContain(`a SYN from ${shown(ipOf(port, version))}:`);
      expect(message).toContain(`to ${shown(to)}:7 had the partial checksum 0x`);
      expect(await copies(port)).toEqual([]);

      const command = message.slice(message.lastIndexOf('; run: ') + '; run: '.length);
      expect(command).toMatch(/^nsenter -t \d+ -n ethtool -K eth0 tx off$/);
      await inPlace({ lab: weft.name, host: 'h1' }, command.split(' '));
      expect(await tcpCheck(weft.name, name, [to])).toEqual({ [to]: true });
      // Told once, however much it sends.
      expect(events).toHaveLength(1);
      await weft.kill(name);
      await life;
    },
  );

  test('are found out as servers, too', async () => {
    const port = await boot('wrong-srv');
    await inGuest('wrong-srv', 'ethtool', '-K', 'eth0', 'tx', 'on');
    const life = tcpEcho(weft.name, 'wrong-srv', 4_000).catch(() => undefined);
    const to = ipOf(port, 4);
    await eventually(
      'the warning',
      async () => {
        await tcpCheck(weft.name, 'server', [to]);
        return events.length > 0;
      },
      10_000,
    );
    expect(events[0]?.message).toContain(`a SYN from ${to}:7 to ${ipOf(server, 4)}:`);
    await life;
  });

  test('those that do not are let be, and their frames go the same way watched or not', async () => {
    const port = await boot('right');
    const to = [ipOf(server, 4), ipOf(server, 6)];
    expect(await tcpCheck(weft.name, 'right', to)).toEqual({ [to[0] ?? '']: true, [to[1] ?? '']: true });
    await eventually('nobody watches', async () => (await copies(port)).length === 0);
    expect(await tcpCheck(weft.name, 'right', to)).toEqual({ [to[0] ?? '']: true, [to[1] ?? '']: true });
    expect(events).toEqual([]);
  });

  test('flows that watch come back, and are neither drift nor removed', async () => {
    const port = await boot('quiet');
    const watched = await copies(port);
    const agent = await weft.connections.agent('h1');
    expect(await agent.plan({ network_id: '' })).toEqual({ operations: [] });
    await agent.resync({ network_id: '' });
    expect(await copies(port)).toEqual(watched);
    await inPlace({ lab: weft.name, host: 'h1' }, ['ovs-ofctl', '-O', 'OpenFlow15', 'del-flows', 'br-int']);
    await eventually('it is watched again', async () => (await copies(port)).length === 2);
    await weft.kill('quiet');
    await eventually('nobody watches', async () => (await copies(port)).length === 0, 5_000);
    await sleep(200, signal());
    expect(events).toEqual([]);
  });
});
