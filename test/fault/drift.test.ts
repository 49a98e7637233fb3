import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EventKind, type Event } from '#proto/weft/agent/v1/agent.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { tapOf } from '../bench/taps.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';
import { hostShape } from './support/host-shape.ts';

/** From the hand that broke it to the kernel as it was: a look is taken at most every 250 ms, and at least every 1 s. */
const WITHIN_MS = 4_000;
const FLAGS = ['--audit-spacing-ms', '250', '--audit-interval-ms', '1000', '--report-interval-ms', '400'];

describe('what was changed by hand', () => {
  let weft: LabWeft;
  let network: Network;
  let near: Port;
  let far: Port;
  let bridge: string;
  let vxlan: string;
  let events: Event[];
  let watching: AbortController;
  let watch: Promise<void>;
  let before: readonly string[];

  const onHost = async (...argv: readonly string[]): Promise<void> => {
    await inPlace({ lab: weft.name, host: 'h1' }, argv);
  };
  const shape = async (): Promise<readonly string[]> => hostShape(weft.name, 'h1');

  beforeAll(async () => {
    weft = await LabWeft.up({ name: 'drift', hosts: 2, agentFlags: FLAGS });
    network = await weft.network();
    await weft.subnet(network, '172.16.1.0/24');
    await weft.subnet(network, '2001:db8:1::/64');
    near = await weft.port(network);
    far = await weft.port(network);
    await weft.boot('near', 'h1', near, network);
    await weft.boot('far', 'h2', far, network);
    await weft.inSync(network.id, 2);
    bridge = `brq${network.id.slice(0, 11)}`;
    vxlan = `vxlan-${network.segmentation_id.toString()}`;
  });

  afterAll(async () => {
    await weft.down();
  });

  beforeEach(async () => {
    before = await shape();
    events = [];
    watching = new AbortController();
    const agent = await weft.connections.agent('h1');
    watch = (async () => {
      for await (const event of agent.watchEvents({ kinds: [] }, { signal: watching.signal })) events.push(event);
    })().catch(() => undefined);
    // The stream begins at the agent, of which nothing tells.
    await agent.getHostState({});
  });

  afterEach(async () => {
    watching.abort();
    await watch;
  });

  const address = (port: Port, version: 4 | 6): string =>
    port.fixed_ips.map(({ ip_address }) => ip_address).find((ip) => ip.includes(':') === (version === 6)) ?? '';

  const cases: readonly (readonly [title: string, hand: () => readonly (readonly string[])[]])[] = [
    ['a bridge deleted', () => [['ip', 'link', 'delete', bridge]]],
    ['a bridge set down', () => [['ip', 'link', 'set', bridge, 'down']]],
    ['a bridge with another MTU', () => [['ip', 'link', 'set', bridge, 'mtu', '1280']]],
    ['a VXLAN device deleted', () => [['ip', 'link', 'delete', vxlan]]],
    ['a VXLAN device out of its bridge', () => [['ip', 'link', 'set', vxlan, 'nomaster']]],
    ['a VXLAN device with another MTU', () => [['ip', 'link', 'set', vxlan, 'mtu', '1300']]],
    ['a VXLAN device that learns', () => [['ip', 'link', 'set', vxlan, 'type', 'vxlan', 'learning']]],
    [
      'an FDB row deleted',
      () => [['bridge', 'fdb', 'del', far.mac_address, 'dev', vxlan, 'dst', '192.0.2.12', 'self']],
    ],
    [
      'an FDB row that leads elsewhere',
      () => [['bridge', 'fdb', 'replace', far.mac_address, 'dev', vxlan, 'dst', '192.0.2.99', 'self', 'static']],
    ],
    [
      'an FDB row of nobody',
      () => [['bridge', 'fdb', 'add', 'fa:16:3e:de:ad:01', 'dev', vxlan, 'dst', '192.0.2.12', 'self', 'static']],
    ],
    [
      'a flood row deleted',
      () => [['bridge', 'fdb', 'del', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '192.0.2.12', 'self']],
    ],
    [
      'a flood row to a stranger',
      () => [['bridge', 'fdb', 'append', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '192.0.2.99', 'self', 'permanent']],
    ],
    ['a neighbour deleted', () => [['ip', 'neigh', 'del', address(far, 4), 'dev', vxlan]]],
    ['an IPv6 neighbour deleted', () => [['ip', 'neigh', 'del', address(far, 6), 'dev', vxlan]]],
    [
      'a neighbour with another MAC address',
      () => [
        ['ip', 'neigh', 'replace', address(far, 4), 'dev', vxlan, 'lladdr', 'fa:16:3e:de:ad:02', 'nud', 'permanent'],
      ],
    ],
    [
      'a neighbour of nobody',
      () => [['ip', 'neigh', 'add', '172.16.1.250', 'dev', vxlan, 'lladdr', 'fa:16:3e:de:ad:03', 'nud', 'permanent']],
    ],
    ['a port out of its bridge', () => [['ip', 'link', 'set', tapOf(near.id), 'nomaster']]],
    ['a port with another MTU', () => [['ip', 'link', 'set', tapOf(near.id), 'mtu', '1000']]],
    ['a port set down', () => [['ip', 'link', 'set', tapOf(near.id), 'down']]],
    [
      'all of it at once',
      () => [
        ['ip', 'neigh', 'flush', 'dev', vxlan, 'nud', 'permanent'],
        ['ip', 'link', 'set', tapOf(near.id), 'nomaster'],
        ['ip', 'link', 'delete', vxlan],
        ['ip', 'link', 'delete', bridge],
      ],
    ],
  ];

  test.each(cases)('%s is repaired, and told with commands and a trace', async (_title, hand) => {
    const was = BigInt((await state()).drift_repaired);
    for (const argv of hand()) await onHost(...argv);
    const broken = performance.now();
    await eventually(
      'an event of the repair',
      () => events.some(({ kind }) => kind === EventKind.EVENT_KIND_REPAIR),
      WITHIN_MS,
    );
    await repaired(WITHIN_MS - (performance.now() - broken));
    // While somebody is still at it, steps may fail: what is missing then is told of again.
    const told = (kind: EventKind): readonly Event[] => events.filter((event) => event.kind === kind).slice(-1);
    const isDone = (): boolean => told(EventKind.EVENT_KIND_REPAIR)[0]?.results.every(({ done }) => done) === true;
    await eventually('a repair that is whole', isDone, WITHIN_MS);
    for (const kind of [EventKind.EVENT_KIND_DRIFT, EventKind.EVENT_KIND_REPAIR]) {
      const [event] = told(kind);
      expect(event).toMatchObject({ network_id: network.id });
      expect(event?.trace_id).toMatch(/^[0-9a-f]{32}$/);
      expect(event?.results.length).toBeGreaterThan(0);
      for (const { done, error, operation } of event?.results ?? []) {
        expect(done, `${operation?.command ?? ''}: ${error}`).toBe(true);
        expect(operation?.command).toMatch(/^(?:ip|bridge|sysctl) /);
        expect(operation?.reason).not.toBe('');
      }
    }
    expect(BigInt((await state()).drift_repaired)).toBeGreaterThan(was);
    for (const version of [4, 6] as const) {
      expect(await ping(weft.name, 'near', address(far, version), 2, 10)).toEqual({ sent: 2, received: 2 });
    }
  });

  const state = async (): Promise<{ readonly drift_repaired: string }> => {
    const { networks } = await (await weft.connections.agent('h1')).getHostState({});
    return networks[0] ?? { drift_repaired: '0' };
  };

  const repaired = async (withinMs: number): Promise<void> => {
    const end = performance.now() + withinMs;
    for (;;) {
      const now = await shape();
      if (performance.now() > end) expect(now).toEqual(before);
      if (JSON.stringify(now) === JSON.stringify(before)) return;
    }
  };

  test('is in the trace with its commands, and `weft status` counts it', async () => {
    await onHost('ip', 'neigh', 'del', address(far, 4), 'dev', vxlan);
    await repaired(WITHIN_MS);
    await eventually('the event', () => events.some(({ kind }) => kind === EventKind.EVENT_KIND_REPAIR));
    const traceId = events.find(({ kind }) => kind === EventKind.EVENT_KIND_REPAIR)?.trace_id ?? '';
    const traces = await weft.connections.trace();
    await eventually(
      'the trace',
      async () => {
        const found = await traces.getTrace({ trace_id: traceId }).catch(() => undefined);
        const commands = found?.spans.flatMap((span) => span.commands) ?? [];
        return commands.some((command) => command.startsWith('ip neigh'));
      },
      8_000,
    );
    const status = async (): Promise<unknown> => JSON.parse((await weftCli('status', '-o', 'json')).stdout) as unknown;
    await expect.poll(status, { timeout: 5_000 }).toMatchObject([
      {
        host_id: 'h1',
        status: 'ACTIVE',
        in_sync: 1,
        drift_repaired: expect.toSatisfy((count: number) => count > 20) as number,
      },
      { host_id: 'h2', status: 'ACTIVE', in_sync: 1 },
    ]);
  });

  const weftCli = async (...argv: readonly string[]): Promise<{ readonly stdout: string }> => {
    const program = fileURLToPath(new URL('../../cli/weft.ts', import.meta.url));
    return await tryInPlace({ lab: weft.name, host: 'control' }, [
      process.execPath,
      program,
      ...argv,
      '--lab',
      weft.name,
    ]);
  };

  test('is named and left alone where a stranger took the name of a device, until that is gone', async () => {
    const agent = await weft.connections.agent('h1');
    await onHost('ip', 'link', 'delete', vxlan);
    await onHost(...`ip link add ${vxlan} type vxlan id 99 local 192.0.2.11 dstport 4790`.split(' ')).catch(
      async () => {
        // The repair was quicker than the hand.
        await onHost('ip', 'link', 'delete', vxlan);
        await onHost(...`ip link add ${vxlan} type vxlan id 99 local 192.0.2.11 dstport 4790`.split(' '));
      },
    );
    await expect(agent.plan({ network_id: network.id })).rejects.toMatchObject({
      code: 'precondition',
      reason: 'FOREIGN_DEVICE',
      details: { device: vxlan },
    });
    expect(await inPlace({ lab: weft.name, host: 'h1' }, ['ip', '-d', 'link', 'show', vxlan])).toContain('id 99');
    await onHost('ip', 'link', 'delete', vxlan);
    await repaired(WITHIN_MS);
  });

  test('is left alone where it is not ours', async () => {
    await onHost('ip', 'link', 'add', 'br-foreign', 'type', 'bridge');
    await onHost('ip', 'link', 'add', 'brqdeadbeef-00', 'type', 'bridge');
    await onHost(...'ip link add foreign0 type veth peer name foreign1'.split(' '));
    await onHost('ip', 'link', 'set', 'foreign0', 'master', 'br-foreign', 'up');
    await onHost(...'ip link add vxlan-4242 type vxlan id 4242 local 192.0.2.11 dstport 4790'.split(' '));
    await onHost(...'bridge fdb add fa:16:3e:de:ad:09 dev vxlan-4242 dst 192.0.2.12'.split(' '));
    await onHost(...'bridge fdb append 00:00:00:00:00:00 dev vxlan-4242 dst 192.0.2.13'.split(' '));
    await onHost(...'ip neigh add 192.0.2.200 dev eth0 lladdr fa:16:3e:de:ad:0a nud permanent'.split(' '));
    const withForeign = await shape();
    await onHost('ip', 'link', 'delete', bridge);
    await onHost('ip', 'link', 'delete', vxlan);
    before = withForeign;
    await repaired(WITHIN_MS);
    const agent = await weft.connections.agent('h1');
    await agent.resync({ network_id: '' });
    await agent.apply({ network_id: '' });
    expect(await shape()).toEqual(withForeign);
    expect(await agent.plan({ network_id: '' })).toEqual({ operations: [] });
  });
});
