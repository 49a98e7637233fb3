import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { agentStart, agentStop, processKill9, processStart, processStop } from '../../cli/lab/index.ts';
import { tapOf } from '../bench/taps.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { switchFlows } from '../system/switch-tables.ts';
import { ping } from '../system/traffic.ts';
import { exactWithin } from './support/exact.ts';
import { Pinger } from './support/pinger.ts';

/** No look is due for ten minutes. */
const FLAGS = ['--audit-interval-ms', '600000', '--report-interval-ms', '1000'];
/** From the moment that ovs-vswitchd answers; what it has to wait for is only that the agent tries again. */
const REPLAYED_WITHIN_MS = 3_000;

const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);

describe('a part of Open vSwitch that is away for a while', () => {
  const stack = new AsyncDisposableStack();
  const [lab, host] = ['wov-away', 'h2'];
  let weft: LabWeft;
  let network: Network;
  let near: Port;
  let far: Port;

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: lab, hosts: 2, drivers: ['linuxbridge', 'ovs'], agentFlags: FLAGS }));
    network = await weft.network();
    await weft.subnet(network, '172.16.1.0/24');
    near = await weft.port(network);
    far = await weft.port(network);
    await weft.boot('near', 'h1', near, network);
    await weft.boot('far', host, far, network);
    await weft.inSync(network.id, 2);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const of = (process: string): { lab: string; host: string; process: string } => ({ lab, host, process });
  const address = (port: Port): string => port.fixed_ips[0]?.ip_address ?? '';
  const flows = async (): Promise<string> =>
    (await switchFlows(lab, host))
      .filter((flow) => !flow.includes('controller('))
      .sort()
      .join('\n');
  const reaches = async (to: Port): Promise<void> => {
    await eventually('pings pass', async () => (await ping(lab, 'near', address(to), 1, 20)).received === 1, 10_000);
  };
  const boundTo = async (port: Port): Promise<string> => (await weft.getPort(port.id)).binding_host_id;
  /** Whether ovs-vswitchd works by the database: it is waited for when something is changed there. */
  const isServed = async (): Promise<boolean> => {
    const change = ['set', 'Open_vSwitch', '.', `external_ids:asked=${randomUUID()}`];
    return (await tryInPlace({ lab, host }, ['ovs-vsctl', '--timeout=2', ...change])).exitCode === 0;
  };
  /** A guest without anything behind its tap, of a hypervisor that leaves the plugging to the agent. */
  const tap = async (at: string, verb: 'add' | 'del', port: Port): Promise<void> => {
    const words =
      verb === 'add' ? ['tuntap', 'add', 'dev', tapOf(port.id), 'mode', 'tap'] : ['link', 'del', tapOf(port.id)];
    await inPlace({ lab, host: at }, ['ip', ...words]);
  };

  test.each([0, 1_000, 6_000])('ovs-vswitchd, for %d ms more than it takes: its flows are back at once', async (ms) => {
    await reaches(far);
    const before = await flows();
    await processKill9(of('ovs-vswitchd'), soon());
    await sleep(ms, soon());
    await processStart(of('ovs-vswitchd'), soon());
    const back = performance.now();
    await eventually('the flows are what they were', async () => (await flows().catch(() => '')) === before, 10_000);
    expect(performance.now() - back).toBeLessThan(REPLAYED_WITHIN_MS);
    await reaches(far);
    await exactWithin(weft, network, 5_000);
  });

  test('ovs-vswitchd: how long nothing passes', async ({ annotate }) => {
    await reaches(far);
    const gaps: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await using pinger = new Pinger(lab, 'near', address(far), 5);
      await sleep(300, soon());
      await processKill9(of('ovs-vswitchd'), soon());
      await processStart(of('ovs-vswitchd'), soon());
      await reaches(far);
      const { lost } = await pinger.stop();
      gaps.push(lost * 5);
    }
    await annotate(`ms without an answer, killed and started at once: ${gaps.join(', ')}`);
    expect(Math.min(...gaps)).toBeLessThan(2_000);
  });

  test('ovs-vswitchd: what comes and goes meanwhile, here and elsewhere, is right when it is back', async () => {
    const [here, gone, elsewhere] = [await weft.port(network), await weft.port(network), await weft.port(network)];
    await tap(host, 'add', gone);
    await weft.converged(network.id, 3);
    await processStop(of('ovs-vswitchd'), soon());
    await tap(host, 'del', gone);
    await tap(host, 'add', here);
    await tap('h1', 'add', elsewhere);
    await sleep(3_000, soon());
    await processStart(of('ovs-vswitchd'), soon());
    await eventually(
      'both are bound',
      async () => (await boundTo(here)) === host && (await boundTo(elsewhere)) === 'h1',
    );
    await exactWithin(weft, network, 10_000);
    await tap(host, 'del', here);
    await tap('h1', 'del', elsewhere);
    await weft.inSync(network.id, 2);
    await exactWithin(weft, network, 2_000);
  });

  // Without its database ovs-vswitchd lets the userspace datapath rest (bridge.c, bridge_run), and asks for it once a second:
  // frames wait in the buffers of its sockets, which hold enough of them for that. The kernel's datapath goes on by itself.
  test('ovsdb-server: nothing is lost when it is killed and started at once', async () => {
    await reaches(far);
    const before = await flows();
    await using pinger = new Pinger(lab, 'near', address(far), 20);
    for (let round = 0; round < 3; round += 1) {
      await sleep(500, soon());
      await processKill9(of('ovsdb-server'), soon());
      await processStart(of('ovsdb-server'), soon());
      await eventually('ovs-vswitchd is back at it', async () => await isServed(), 10_000);
    }
    await sleep(200, soon());
    const { sent, lost } = await pinger.stop();
    expect(sent).toBeGreaterThan(50);
    expect(lost).toBe(0);
    expect(await flows()).toBe(before);
  });

  test('ovsdb-server: what comes and goes meanwhile, here and elsewhere, is right when it is back', async ({
    annotate,
  }) => {
    const before = await flows();
    const [here, gone, elsewhere] = [await weft.port(network), await weft.port(network), await weft.port(network)];
    await tap(host, 'add', gone);
    await weft.converged(network.id, 3);
    await processKill9(of('ovsdb-server'), soon());
    await tap('h1', 'add', elsewhere);
    await tap(host, 'del', gone);
    await tap(host, 'add', here);
    await sleep(2_000, soon());
    await processStart(of('ovsdb-server'), soon());
    const back = performance.now();
    await eventually('it is plugged', async () => (await flows()).includes(here.mac_address), 10_000);
    await annotate(`plugged ${Math.round(performance.now() - back).toString()} ms after ovsdb-server was back`);
    await exactWithin(weft, network, 10_000);
    await reaches(far);
    await tap('h1', 'del', elsewhere);
    await tap(host, 'del', here);
    await weft.inSync(network.id, 2);
    expect(await flows()).toBe(before);
    expect(await inPlace({ lab, host }, ['ovs-vsctl', 'list-ports', 'br-int'])).toContain(tapOf(far.id));
  });

  test('ovsdb-server, when an agent starts: it says what it misses, and serves once that is there', async () => {
    await reaches(far);
    const before = await flows();
    await agentStop({ lab, host }, soon());
    await processStop(of('ovsdb-server'), soon());
    await expect(agentStart({ lab, host }, soon(25_000))).rejects.toThrow(
      /Open vSwitch was not reached at \/run\/openvswitch within 10 s/,
    );
    await processStart(of('ovsdb-server'), soon());
    await agentStart({ lab, host }, soon());
    await weft.inSync(network.id, 2);
    await reaches(far);
    expect(await flows()).toBe(before);
    expect((await (await weft.connections.agent(host)).getHostState({})).operation_count).toBe('0');
  });
});
