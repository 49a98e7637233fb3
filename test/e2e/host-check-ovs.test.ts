import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { processKill9, processStart, processStop } from '../../cli/lab/index.ts';
import { HostChecks } from '../system/host-check-lab.ts';
import { OverlayLab } from '../system/overlay-lab.ts';

const LAB = 'whco';
/** Debian has ovs-vswitchd there. */
const PROGRAMS = '/usr/lib/openvswitch-switch';
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** Hosts with Open vSwitch and agents that stand alone: what is known of others, their overlays say. */
describe('a host whose agent stands alone', () => {
  let lab: OverlayLab;
  let checks: HostChecks;

  beforeAll(async () => {
    lab = await OverlayLab.up({ name: LAB, hosts: 2 });
    checks = new HostChecks(LAB);
    await eventually('Open vSwitch is known', async () => (await titles('ovs-not-running')).length === 0, 10_000);
  });

  afterAll(async () => {
    checks[Symbol.dispose]();
    await lab[Symbol.asyncDispose]();
  });

  const titles = async (...only: readonly string[]): Promise<readonly string[]> =>
    (await checks.findings('h1', ...only)).map(({ severity, title }) => `${severity} ${title}`);

  test('is fit before it has an overlay, but for a notice of its datapath', async () => {
    expect((await checks.ask('h1')).findings).toMatchObject([
      { check: 'ovs-datapath', severity: 'SEVERITY_NOTICE', evidence: ['ovs-vswitchd offers the datapaths netdev'] },
    ]);
    const { code, out } = await checks.weft('host', 'check', 'h1', '--lab', LAB, '-v');
    expect(code).toBe(0);
    expect(out).toMatch(/^notice {2}ovs-datapath: /);
    expect(out).toContain('skipped  vtep-unreachable: no other VTEP is known: name one with --peer\n');
    expect(out).toMatch(/\n\d+ passed, 1 with findings, \d+ skipped\n$/);
  });

  test('knows its peers by its overlays and by what it is asked', async () => {
    const overlay = {
      name: 'one',
      bridge_name: 'ovs_sw0',
      addresses: ['10.100.0.1/8'],
      peers: [{ remote_address: lab.address('h2') }],
    };
    await lab.apply('h1', overlay);
    const { findings, peers } = await checks.ask('h1', { peers: ['192.0.2.77'] });
    expect(peers).toEqual(['192.0.2.77', lab.address('h2')]);
    expect(findings.map(({ check }) => check)).toEqual(['vtep-unreachable', 'ovs-datapath']);
    const answer = await checks.weft('host', 'check', 'h1', '--lab', LAB, '--peer', '192.0.2.77', '-o', 'json');
    expect(answer.code).toBe(1);
    expect(JSON.parse(answer.out)).toMatchObject({
      findings: [{ check: 'vtep-unreachable' }, { check: 'ovs-datapath' }],
    });
  });

  test('where frames come into the userspace datapath without checksums', async () => {
    await lab.on('h1', 'ip', 'link', 'add', 'far0', 'type', 'veth', 'peer', 'name', 'near0');
    await lab.on('h1', 'ovs-vsctl', 'add-port', 'ovs_sw0', 'far0');
    const [finding] = await checks.findings('h1', 'checksum-offload');
    expect(finding).toMatchObject({
      severity: 'SEVERITY_ERROR',
      title: 'near0 leaves checksums undone, and behind far0 in ovs_sw0 nobody does them: ping works, TCP does not',
      evidence: ['ethtool -k near0: tx-checksumming: on'],
      remedy: ['ethtool -K near0 tx off'],
    });
    await lab.on('h1', ...(finding?.remedy[0] ?? '').split(' '));
    expect(await titles('checksum-offload')).toEqual([]);
    await lab.on('h1', 'ovs-vsctl', 'del-port', 'ovs_sw0', 'far0');
    await lab.on('h1', 'ip', 'link', 'del', 'far0');
  });

  test('where the way to a peer is by a device that the userspace datapath does not have', async () => {
    await lab.on('h1', 'ip', 'route', 'add', '198.51.100.9/32', 'dev', 'mgmt0');
    const { findings } = await checks.ask('h1', { only: ['ovs-datapath'], peers: ['198.51.100.9'] });
    expect(findings).toMatchObject([
      {
        severity: 'SEVERITY_ERROR',
        title: "Open vSwitch' userspace datapath cannot send tunnels by mgmt0: it is no port of its bridges",
        remedy: [
          'ovs-vsctl add-br br-underlay -- set Bridge br-underlay datapath_type=netdev',
          'ovs-vsctl add-port br-underlay mgmt0',
        ],
      },
    ]);
    await lab.on('h1', 'ip', 'route', 'del', '198.51.100.9/32', 'dev', 'mgmt0');
  });

  test('whose ovs-vswitchd is dead, then ovsdb-server too, then their programs: which one, and what mends it', async () => {
    const at = { lab: LAB, host: 'h1' };
    await processKill9({ ...at, process: 'ovs-vswitchd' }, soon());
    try {
      expect(await checks.findings('h1', 'ovs-not-running')).toMatchObject([
        {
          severity: 'SEVERITY_ERROR',
          title: 'Open vSwitch does not run: ovs-vswitchd',
          remedy: ['systemctl restart openvswitch-switch'],
        },
      ]);
      await processStop({ ...at, process: 'ovsdb-server' }, soon());
      await eventually(
        'the agent knows',
        async () => (await titles('ovs-not-running'))[0]?.endsWith('ovsdb-server') === true,
        10_000,
      );
      expect(await titles('ovs-missing')).toEqual([]);
      expect((await checks.weft('host', 'check', 'h1', '--lab', LAB, '--only', 'ovs-not-running')).code).toBe(1);

      // Its programs go out of the sight of this host alone, as where the package is not installed.
      await lab.on('h1', 'mount', '-t', 'tmpfs', 'none', PROGRAMS);
      expect(await checks.findings('h1', 'ovs-missing', 'ovs-not-running')).toMatchObject([
        {
          severity: 'SEVERITY_ERROR',
          title: 'Open vSwitch is not installed',
          remedy: ['apt-get install openvswitch-switch'],
        },
      ]);
      await lab.on('h1', 'umount', PROGRAMS);
    } finally {
      await processStart({ ...at, process: 'ovsdb-server' }, soon());
      await processStart({ ...at, process: 'ovs-vswitchd' }, soon());
    }
    await eventually('it is right again', async () => (await titles('ovs-not-running')).length === 0, 10_000);
  });

  test('whose Open vSwitch is older than what the agent speaks', async () => {
    const version = (await lab.on('h1', 'ovs-vsctl', 'get', 'Open_vSwitch', '.', 'ovs_version')).trim();
    await lab.on('h1', 'ovs-vsctl', 'set', 'Open_vSwitch', '.', 'ovs_version=2.5.2');
    try {
      expect(await checks.findings('h1', 'ovs-too-old')).toMatchObject([
        {
          severity: 'SEVERITY_ERROR',
          title: 'Open vSwitch 2.5.2 is too old: 2.12 is the first with OpenFlow 1.5 on every bridge',
          remedy: ['apt-get install openvswitch-switch'],
        },
      ]);
    } finally {
      await lab.on('h1', 'ovs-vsctl', 'set', 'Open_vSwitch', '.', `ovs_version=${version}`);
    }
    expect(await titles('ovs-too-old')).toEqual([]);
  });

  test('without an agent: says so, and what to do', async () => {
    const { code, err } = await checks.weft('host', 'check', '--agent', 'unix:/run/nobody/agent.sock');
    expect(code).toBe(6);
    expect(err).toContain('no agent answers at unix:/run/nobody/agent.sock');
    expect(err).toContain('systemctl start weft-agent');
    expect(err).toContain('weft agent --standalone');
  });
});
