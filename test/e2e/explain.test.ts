import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { ThingKind, ThingOwner, type Thing } from '#proto/weft/agent/v1/explain.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { agentKill9, agentStart } from '../../cli/lab/index.ts';
import { run } from '../../cli/run.ts';
import { tapOf } from '../bench/taps.ts';
import { inPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';

/** What is on a host with Linux bridges and one with Open vSwitch, and where it came from. */
describe('what is on two hosts', () => {
  let lab: LabWeft;
  let network: Network;
  let near: Port;
  let far: Port;

  beforeAll(async () => {
    lab = await LabWeft.up({ name: 'exe2e', hosts: 2, drivers: ['linuxbridge', 'ovs'] });
    network = await lab.network({ name: 'blue' });
    await lab.subnet(network, '172.16.1.0/24');
    near = await lab.port(network, { name: 'vm1', device_id: 'vm1' });
    far = await lab.port(network, { name: 'vm2', device_id: 'vm2' });
    await lab.boot('vm1', 'h1', near, network);
    // From here on the other host's rows come by its report, not with the first table.
    await lab.converged(network.id, 1);
    await lab.boot('vm2', 'h2', far, network);
    await lab.converged(network.id, 2);
  });

  afterAll(async () => {
    await lab.down();
  });

  const explain = async (host: string, kind: ThingKind, name: string): Promise<readonly Thing[]> =>
    (await (await lab.connections.explain(host)).explainThing({ kind, name })).things;

  const device = async (host: string, name: string): Promise<Thing | undefined> =>
    (await explain(host, ThingKind.THING_KIND_DEVICE, name))[0];

  const weft = async (...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> => {
    const [out, err] = [new PassThrough().setEncoding('utf8'), new PassThrough().setEncoding('utf8')];
    const code = await run([...argv, '--lab', lab.name], out, err);
    const text = (stream: PassThrough): string => (stream.read() as string | null) ?? '';
    return { code, out: text(out), err: text(err) };
  };

  test('a device tells what it serves, who had it made, and how', async () => {
    const vxlan = `vxlan-${network.segmentation_id.toString()}`;
    const thing = await device('h1', vxlan);
    expect(thing).toMatchObject({
      owner: ThingOwner.THING_OWNER_WEFT,
      object: { kind: 'network', id: network.id, name: 'blue' },
      present: true,
      note: '',
    });
    expect(thing?.description).toContain('VXLAN device of network blue');
    expect(thing?.changes.map(({ cause, caller }) => `${cause} by ${caller}`)).toContain(
      'control plane: ReportPortUp by host h1',
    );
    expect(thing?.changes.map(({ command }) => command)).toContainEqual(
      expect.stringMatching(new RegExp(`^ip link add name ${vxlan} .* type vxlan id `)),
    );
    const trace = thing?.changes.at(-1)?.trace_id ?? '';
    const traces = await lab.connections.trace();
    await eventually('the trace of the change is there', async () => {
      const found = await traces.getTrace({ trace_id: trace }).catch(() => undefined);
      return found !== undefined && found.spans.length > 1;
    });
  });

  test('rows that another host brought about name that host', async () => {
    const [fdb] = await explain('h1', ThingKind.THING_KIND_RULE, `fdb vxlan-${network.segmentation_id.toString()}`);
    expect(fdb?.changes[0]).toMatchObject({ cause: 'control plane: ReportPortUp', caller: 'host h2' });
    expect(fdb?.changes[0]?.command).toContain(far.mac_address);
  });

  test('with Open vSwitch too: the bridge, the port, the flows', async () => {
    expect((await device('h2', 'br-int'))?.description).toContain(
      'bridge of Open vSwitch for all networks of this host',
    );
    expect(await device('h2', tapOf(far.id))).toMatchObject({ object: { kind: 'port', name: 'vm2' }, present: true });
    const flows = await explain('h2', ThingKind.THING_KIND_RULE, `flows of network ${network.id}`);
    expect(flows[0]?.changes[0]?.command).toMatch(/^ovs-ofctl -O OpenFlow15 add-flow br-int/);
  });

  test("what is not weft's is said to be somebody else's, also in a bridge of weft", async () => {
    const bridge = `brq${network.id.slice(0, 11)}`;
    await inPlace({ lab: lab.name, host: 'h1' }, [
      'ip',
      'link',
      'add',
      'exforeign',
      'type',
      'veth',
      'peer',
      'name',
      'exother',
    ]);
    await inPlace({ lab: lab.name, host: 'h1' }, ['ip', 'link', 'set', 'exforeign', 'alias', 'mine', 'master', bridge]);
    const thing = await device('h1', 'exforeign');
    expect(thing).toMatchObject({ owner: ThingOwner.THING_OWNER_FOREIGN, changes: [], present: true });
    expect(thing?.description).toBe(`not weft's: end of a veth pair, in bridge ${bridge}; its alias is "mine"`);
    const picture = await (await lab.connections.explain('h1')).getHostPicture({});
    const ports = picture.bridges.find(({ name }) => name === bridge)?.ports ?? [];
    expect(ports.map(({ device_name, foreign }) => [device_name, foreign])).toEqual([
      ['exforeign', true],
      [tapOf(near.id), false],
      [`vxlan-${network.segmentation_id.toString()}`, false],
    ]);
    expect(ports[1]).toMatchObject({ machine_id: 'vm1', ip_addresses: ['172.16.1.2'] });
    expect(ports[2]?.remotes).toMatchObject([{ vtep_address: '192.0.2.12', host_id: 'h2' }]);
    await inPlace({ lab: lab.name, host: 'h1' }, ['ip', 'link', 'del', 'exforeign']);
  });

  test('the command line asks all hosts, draws them, and says what nobody has', async () => {
    const network_ = await weft('explain', 'network', 'blue', '--last', '0');
    expect(network_.out).toMatch(/^host h1:\n {2}devices\n {4}brq.*: bridge of network blue/m);
    expect(network_.out).toMatch(/^host h2:\n/m);
    const shown = await weft('explain', 'device', tapOf(far.id));
    expect(shown.out).toMatch(/^host h2: tap.*: device of port vm2/);
    expect((await weft('host', 'show', 'h1')).out).toMatch(/\| vm1 .*\+----\+ tap/);
    const svg = (await weft('host', 'show', 'h2', '-o', 'svg')).out;
    expect(svg).toMatch(/^<svg /);
    expect(svg).toContain('VNI ');
    const nobody = await weft('explain', 'device', 'tapnothing');
    expect(nobody.code).toBe(3);
    expect(nobody.err).toContain('none of h1, h2: host');
    expect((await weft('host', 'show', 'h1', '-o', 'png')).err).toContain('is not table, json, yaml or svg');
  });

  test('an agent that was killed remembers; what is gone is told of', async () => {
    const tap = tapOf(near.id);
    const before = (await device('h1', tap))?.changes ?? [];
    expect(before.length).toBeGreaterThan(0);
    await agentKill9({ lab: lab.name, host: 'h1' }, AbortSignal.timeout(10_000));
    await agentStart({ lab: lab.name, host: 'h1' }, AbortSignal.timeout(10_000));
    expect((await device('h1', tap))?.changes).toEqual(before);
    await lab.kill('vm1');
    await eventually('the tap is gone', async () => (await device('h1', tap))?.present === false);
  });
});
