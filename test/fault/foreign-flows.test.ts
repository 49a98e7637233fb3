import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EventKind, type Event } from '#proto/weft/agent/v1/agent.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { tapOf } from '../bench/taps.ts';
import { inPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';

/** From the hand that broke it to the flows as they were, without a look being due. */
const WITHIN_MS = 2_000;
const FLAGS = ['--audit-spacing-ms', '250', '--audit-interval-ms', '600000', '--settle-ms', '100'];

describe('flows that were changed by hand', () => {
  let weft: LabWeft;
  let network: Network;
  let near: Port;
  let far: Port;
  let vni: string;
  let events: Event[];
  let watching: AbortController;
  let watch: Promise<void>;
  let before: readonly string[];

  const ofctl = async (...args: readonly string[]): Promise<string> =>
    await inPlace({ lab: weft.name, host: 'h1' }, ['ovs-ofctl', '-O', 'OpenFlow15', ...args]);
  const vsctl = async (...args: readonly string[]): Promise<string> =>
    await inPlace({ lab: weft.name, host: 'h1' }, ['ovs-vsctl', ...args]);
  /** All flows but those that watch for guests' checksums, which come and go. */
  const flows = async (): Promise<readonly string[]> =>
    (await ofctl('--names', '--no-stats', 'dump-flows', 'br-int'))
      .split('\n')
      .filter((line) => line.includes('cookie') && !line.includes('controller('))
      .map((line) => line.trim())
      .sort();

  beforeAll(async () => {
    weft = await LabWeft.up({ name: 'wff', hosts: 2, drivers: ['ovs', 'linuxbridge'], agentFlags: FLAGS });
    network = await weft.network();
    vni = network.segmentation_id.toString();
    await weft.subnet(network, '172.16.1.0/24');
    near = await weft.port(network);
    far = await weft.port(network);
    await weft.boot('near', 'h1', near, network);
    await weft.boot('far', 'h2', far, network);
    await weft.inSync(network.id, 2);
  });

  afterAll(async () => {
    await weft.down();
  });

  beforeEach(async () => {
    // A network is looked at so often, and no more.
    await sleep(300, AbortSignal.timeout(5_000));
    before = await flows();
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

  const ipOf = (port: Port): string => port.fixed_ips[0]?.ip_address ?? '';
  const toFar = (): string => `table=30,priority=100,metadata=${vni},reg0=0,dl_dst=${far.mac_address}`;
  const toNear = (): string => `table=30,priority=100,metadata=${vni},dl_dst=${near.mac_address}`;
  const fromNear = (): string => `table=0,priority=100,in_port=${tapOf(near.id)}`;

  const cases: readonly (readonly [title: string, hand: () => readonly (readonly string[])[]])[] = [
    ['all flows deleted', () => [['del-flows', 'br-int']]],
    ['one deleted', () => [['--strict', 'del-flows', 'br-int', toFar()]]],
    [
      'one deleted by its cookie',
      () => [['del-flows', 'br-int', `cookie=0x77656674${Number(vni).toString(16).padStart(8, '0')}/-1`]],
    ],
    ['one of all networks deleted', () => [['--strict', 'del-flows', 'br-int', 'table=20,priority=0']]],
    [
      'one that does something else',
      () => [['mod-flows', 'br-int', `table=30,metadata=${vni},dl_dst=${near.mac_address} actions=drop`]],
    ],
    [
      'one of another cookie in the place of ours',
      () => [['add-flow', 'br-int', `cookie=0x99,${toFar()} actions=drop`]],
    ],
    ['one without a cookie in the place of ours', () => [['add-flow', 'br-int', `${toNear()} actions=drop`]]],
    [
      'one in the place of that from a port',
      () => [['--names', 'add-flow', 'br-int', `cookie=1,${fromNear()} actions=drop`]],
    ],
    [
      'one in the place of one of all networks',
      () => [['add-flow', 'br-int', 'cookie=0x99,table=30,priority=0 actions=drop']],
    ],
    [
      'one of our cookie that nobody needs',
      () => [
        [
          'add-flow',
          'br-int',
          `cookie=0x77656674${Number(vni).toString(16).padStart(8, '0')},table=30,priority=150,metadata=${vni} actions=drop`,
        ],
      ],
    ],
    [
      'one of the cookie of all networks that nobody needs',
      () => [['add-flow', 'br-int', 'cookie=0x7765667400000000,table=30,priority=150 actions=drop']],
    ],
  ];

  test.each(cases)('%s is repaired at once', async (_title, hand) => {
    for (const argv of hand()) await ofctl(...argv);
    const broken = performance.now();
    await eventually('the flows are as they were', async () => sameLines(await flows(), before), WITHIN_MS);
    const tookMs = performance.now() - broken;
    expect(tookMs).toBeLessThan(WITHIN_MS);
    await eventually('it is told', () => events.some(({ kind }) => kind === EventKind.EVENT_KIND_REPAIR));
    expect(await ping(weft.name, 'near', ipOf(far))).toEqual({ sent: 2, received: 2 });
  });

  test.each([
    ['another fail mode', [['set-fail-mode', 'br-int', 'standalone']]],
    [
      'a controller that comes and goes',
      [
        ['set-controller', 'br-int', 'tcp:127.0.0.1:1'],
        ['del-controller', 'br-int'],
      ],
    ],
  ])('%s makes the bridge forget its flows, which is repaired at once', async (_title, commands) => {
    for (const words of commands) await vsctl(...words);
    await eventually('the flows are as they were', async () => sameLines(await flows(), before), WITHIN_MS);
    expect(await vsctl('get', 'Bridge', 'br-int', 'fail_mode')).toBe('secure\n');
    expect(await ping(weft.name, 'near', ipOf(far))).toEqual({ sent: 2, received: 2 });
  });

  test('a flow of somebody else in a place of its own is let be, and nothing is told', async () => {
    await ofctl('add-flow', 'br-int', 'cookie=0x99,table=7,priority=100,metadata=5 actions=drop');
    await ofctl('add-flow', 'br-int', `cookie=0x99,table=30,priority=99,metadata=${vni} actions=drop`);
    const withForeign = await flows();
    await sleep(1_000, AbortSignal.timeout(5_000));
    expect(await flows()).toEqual(withForeign);
    await ofctl('del-flows', 'br-int', 'cookie=0x99/-1');
    await sleep(500, AbortSignal.timeout(5_000));
    expect(await flows()).toEqual(before);
    expect(events).toEqual([]);
  });

  test('more than the switch can tell of at once is repaired all the same', async () => {
    const script = `seq 20000 | sed 's/.*/cookie=0x99,table=7,metadata=&,actions=drop/' | ovs-ofctl --bundle add-flows br-int -`;
    await inPlace({ lab: weft.name, host: 'h1' }, ['sh', '-c', script]);
    await ofctl('del-flows', 'br-int');
    await eventually('the flows are as they were', async () => sameLines(await flows(), before), WITHIN_MS);
  });
});

const sameLines = (a: readonly string[], b: readonly string[]): boolean => a.join('\n') === b.join('\n');
