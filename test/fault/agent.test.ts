import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { sleep } from '#platform/async/sleep.ts';
import { agentKill9, agentRestart, agentStart, processStart, processStop } from '../../cli/lab/index.ts';
import { inFlight } from '../bench/in-flight.ts';
import { tapOf, TapMaker } from '../bench/taps.ts';
import { inPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';
import { exactWithin, portsOf } from './support/exact.ts';
import { hostKernel } from './support/host-kernel.ts';

/** Reports, looks and grace shorter than by default, so that what they might do wrong shows soon. */
const FLAGS = [
  ...['--report-interval-ms', '1000', '--start-grace-ms', '1000'],
  ...['--settle-ms', '300', '--audit-spacing-ms', '600'],
];

const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);

describe('an agent', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let taps: ReadonlyMap<string, TapMaker>;
  /** Of the guests. */
  let network: Network;
  let near: Port;
  let far: Port;
  /** Of the test alone. */
  let busy: Network;

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: 'fagent', hosts: 3, agentFlags: FLAGS }));
    taps = new Map(weft.hosts.map((host) => [host, stack.use(new TapMaker(`weft-${weft.name}-${host}`))]));
    network = await weft.network({ name: 'guests' });
    await weft.subnet(network, '172.16.1.0/24');
    near = await weft.port(network);
    far = await weft.port(network);
    await weft.boot('near', 'h1', near, network);
    await weft.boot('far', 'h2', far, network);
    await weft.inSync(network.id, 2);
  });

  beforeEach(async () => {
    busy = await weft.network({ name: 'busy' });
    await weft.subnet(busy, '10.7.0.0/16');
  });

  afterEach(async () => {
    // A test that failed while its agent was away takes it from no other.
    await agentStart(h1(), soon()).catch(() => undefined);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const ports = async (count: number): Promise<readonly Port[]> => inFlight(count, 24, async () => weft.port(busy));
  const names = (of: readonly Port[]): readonly string[] => of.map(({ id }) => tapOf(id));
  const plug = (host: string, of: readonly Port[]): void => taps.get(host)?.add(names(of));
  const unplug = (host: string, of: readonly Port[]): void => taps.get(host)?.remove(names(of));
  const h1 = (): { readonly lab: string; readonly host: string } => ({ lab: weft.name, host: 'h1' });
  const address = (port: Port): string => port.fixed_ips[0]?.ip_address ?? '';
  const pings = async (ms: number): Promise<number> => {
    const { sent, received } = await ping(weft.name, 'near', address(far), Math.ceil(ms / 5), 5);
    expect(sent).toBe(Math.ceil(ms / 5));
    return sent - received;
  };

  test('restarted with nothing changed does nothing, and no ping is lost', async () => {
    const [first, second] = await ports(2);
    plug('h1', first === undefined ? [] : [first]);
    plug('h3', second === undefined ? [] : [second]);
    await weft.inSync(busy.id, 2);
    const before = await hostKernel(weft.name, 'h1');
    const lost = pings(5_000);
    await agentRestart(h1(), soon());
    await agentKill9(h1(), soon());
    await agentStart(h1(), soon());
    await weft.inSync(network.id, 2);
    await weft.inSync(busy.id, 2);
    expect(await lost).toBe(0);
    const agent = await weft.connections.agent('h1');
    const state = await agent.getHostState({});
    expect(state.operation_count).toBe('0');
    expect(state.ports.filter(({ plugged }) => plugged)).toHaveLength(2);
    expect(await hostKernel(weft.name, 'h1')).toEqual(before);
  });

  test.each([0, 15, 40, 90])(
    'killed %d ms into the plugging of 60 taps has all of them right soon after',
    async (ms) => {
      const made = await ports(70);
      plug('h2', made.slice(60));
      await weft.converged(busy.id, 10);
      plug('h1', made.slice(0, 60));
      await sleep(ms, soon());
      await agentKill9(h1(), soon());
      await agentStart(h1(), soon());
      await eventually(
        'all are bound',
        async () => (await portsOf(weft, busy.id)).every((port) => port.binding_host_id !== ''),
        10_000,
      );
      await exactWithin(weft, busy, 10_000);
      expect(await (await weft.connections.agent('h1')).plan({ network_id: '' })).toEqual({ operations: [] });
    },
  );

  test.each([0, 10, 30, 60, 120])(
    'killed %d ms into the plugging of taps that go while it is away leaves none of them bound',
    async (ms) => {
      const made = await ports(41);
      const [kept, gone] = [made.slice(0, 1), made.slice(1)];
      plug('h2', kept);
      await weft.converged(busy.id, 1);
      plug('h1', gone);
      await sleep(ms, soon());
      await agentKill9(h1(), soon());
      unplug('h1', gone);
      await agentStart(h1(), soon());
      const bound = async (): Promise<readonly string[]> =>
        (await portsOf(weft, busy.id)).filter((port) => port.binding_host_id !== '').map(({ id }) => id);
      await eventually('only the other is bound', async () => (await bound()).length === 1, 10_000);
      await exactWithin(weft, busy, 10_000);
    },
  );

  test('away while 500 ports come and 500 go, its own among them, then has exactly the right rows', async () => {
    const old = await ports(500);
    const [own, going2, going3] = [old.slice(0, 20), old.slice(20, 260), old.slice(260)];
    plug('h1', own);
    plug('h2', going2);
    plug('h3', going3);
    const staying = await ports(3);
    for (const [index, host] of weft.hosts.entries()) plug(host, staying.slice(index, index + 1));
    await weft.converged(busy.id, 503, 30_000);
    await exactWithin(weft, busy, 10_000);
    await agentKill9(h1(), soon());
    const fresh = await ports(500);
    plug('h1', fresh.slice(0, 20));
    plug('h2', fresh.slice(20, 260));
    plug('h3', fresh.slice(260));
    unplug('h1', own);
    unplug('h2', going2.slice(0, 200));
    unplug('h3', going3.slice(0, 200));
    // Some by their records, with the device still there; the h1's own ones as well.
    await inFlight(80, 16, async (index) => {
      const port = [...going2.slice(200), ...going3.slice(200)][index];
      if (port !== undefined) await weft.deletePort(port.id);
    });
    await inFlight(10, 10, async (index) => weft.deletePort(own[index]?.id ?? ''));
    const gone = [...going2, ...going3];
    const wrong = async (): Promise<readonly string[]> => {
      const bound = new Map((await portsOf(weft, busy.id)).map((port) => [port.id, port.binding_host_id]));
      return [
        ...fresh.slice(20).flatMap(({ id }) => (bound.get(id) === '' ? [`${tapOf(id)} is not bound`] : [])),
        ...gone.flatMap(({ id }) =>
          (bound.get(id) ?? '') === '' ? [] : [`${tapOf(id)} is on ${bound.get(id) ?? ''}`],
        ),
      ];
    };
    await eventually('the others are through', async () => (await wrong()).length === 0, 20_000).catch(() => undefined);
    expect(await wrong()).toEqual([]);
    await agentStart(h1(), soon());
    await weft.converged(busy.id, 503, 15_000);
    await exactWithin(weft, busy, 10_000);
  }, 120_000);

  test('started with the control plane away serves on by what it kept: plugs nothing, deletes nothing', async () => {
    const [first, second, late] = await ports(3);
    if (first === undefined || second === undefined || late === undefined) throw new Error('no ports');
    plug('h1', [first]);
    plug('h2', [second]);
    await weft.inSync(busy.id, 2);
    const before = await hostKernel(weft.name, 'h1');
    const control = { lab: weft.name, process: 'up' };
    await processStop(control, soon());
    try {
      const lost = pings(4_000);
      await agentRestart(h1(), soon());
      // Longer than it waits for the control plane before it goes by what is on disk.
      await sleep(2_000, soon());
      const agent = await weft.connections.agent('h1');
      const state = await agent.getHostState({});
      expect(state.control_plane).toEqual({ topology: false, l2pop: false, bus: false });
      const held = state.networks.map(({ network_id }) => network_id);
      expect(held).toEqual(expect.arrayContaining([busy.id, network.id]));
      expect(state.ports.filter(({ plugged }) => plugged).map(({ port_id }) => port_id)).toContain(first.id);
      expect(state.operation_count).toBe('0');
      expect(await hostKernel(weft.name, 'h1')).toEqual(before);
      expect(await agent.apply({ network_id: '' })).toMatchObject({ results: [] });
      plug('h1', [late]);
      await sleep(500, soon());
      expect(await inPlace(h1(), ['ip', '-o', 'link', 'show', 'dev', tapOf(late.id)])).not.toContain('master');
      expect(await lost).toBe(0);
    } finally {
      await processStart(control, soon());
    }
    await weft.converged(busy.id, 3, 15_000);
    await exactWithin(weft, busy, 10_000);
    await exactWithin(weft, network, 10_000);
  });

  test.each([false, true])(
    'cut off while its port moves elsewhere does not win it back (restarted meanwhile: %s)',
    async (restarted) => {
      const [moving, witness, other] = await ports(3);
      if (moving === undefined || witness === undefined || other === undefined) throw new Error('no ports');
      plug('h1', [moving, other]);
      plug('h3', [witness]);
      await weft.inSync(busy.id, 3);
      const { binding_generation: was } = await weft.getPort(moving.id);
      await inPlace(h1(), ['ip', 'link', 'set', 'mgmt0', 'down']);
      try {
        if (restarted) {
          await agentKill9(h1(), soon());
          await agentStart(h1(), soon());
        }
        plug('h2', [moving]);
        await eventually(
          'it is bound anew',
          async () => (await weft.getPort(moving.id)).binding_host_id === 'h2',
          5_000,
        );
        await sleep(1_000, soon());
      } finally {
        await inPlace(h1(), ['ip', 'link', 'set', 'mgmt0', 'up']);
      }
      const now = BigInt(was) + 1n;
      await weft.converged(busy.id, 3, 25_000);
      await exactWithin(weft, busy, 15_000);
      // It says again what it says every second.
      await sleep(2_500, soon());
      expect(await weft.getPort(moving.id)).toMatchObject({
        binding_host_id: 'h2',
        binding_generation: now.toString(),
      });
      await exactWithin(weft, busy, 5_000);
      unplug('h1', [moving]);
      await sleep(1_000, soon());
      expect(await weft.getPort(moving.id)).toMatchObject({
        binding_host_id: 'h2',
        binding_generation: now.toString(),
      });
      await exactWithin(weft, busy, 5_000);
      // No claim of the first host is left over to fall back to.
      unplug('h2', [moving]);
      await eventually('it is nowhere', async () => (await weft.getPort(moving.id)).binding_host_id === '', 5_000);
      await exactWithin(weft, busy, 5_000);
    },
  );
});
