import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LibvirtNetwork, type ApplyLibvirtNetworkResponse } from '#proto/weft/agent/v1/libvirt.ts';
import { ListPortsRequest, Status, type Network, type Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { sleep } from '#platform/async/sleep.ts';
import {
  agentRestart,
  labLibvirtUp,
  labProcesses,
  machineBoot,
  machinePlug,
  machineRun,
  machineUnplug,
  processKill9,
  processStart,
  vmKill,
} from '../../cli/lab/index.ts';
import { lacksLibvirt } from '../../cli/lab/testing/libvirt.ts';
import { inPlace, kernelTables } from './kernel.ts';
import { LabWeft } from './lab-weft.ts';

const lack = await lacksLibvirt();
const HOSTS = ['h1', 'h2', 'h3', 'h4'];
/** Emulated machines share the processors with all else. */
const BOOT_MS = 90_000;
const signal = new AbortController().signal;

describe.skipIf(lack !== undefined)(
  `machines of libvirt${lack === undefined ? '' : ` (${lack})`}`,
  { timeout: 300_000 },
  () => {
    let lab: LabWeft;
    let blue: Network;
    const ports = new Map<string, Port>();
    const events: string[] = [];
    const watching = new AbortController();

    beforeAll(async () => {
      lab = await LabWeft.up({
        ...{ name: 'wlv', hosts: HOSTS, drivers: ['linuxbridge', 'linuxbridge', 'ovs', 'ovs'] },
        agentFlags: ['--audit-interval-ms', '3s'],
      });
      blue = await lab.network({ name: 'blue' });
      await lab.subnet(blue, '10.8.0.0/24');
      for (const host of HOSTS) {
        await labLibvirtUp({ lab: lab.name, host }, signal);
        void watch(host);
      }
    }, 120_000);

    afterAll(async () => {
      watching.abort();
      await lab.down();
    });

    /** What each agent tells, also after it was started again. */
    const watch = async (host: string): Promise<void> => {
      while (!watching.signal.aborted) {
        try {
          const agent = await lab.connections.agent(host);
          for await (const { message } of agent.watchEvents({ kinds: [] }, { signal: watching.signal })) {
            events.push(`${host} ${message}`);
          }
        } catch {
          await sleep(100, watching.signal).catch(() => undefined);
        }
      }
    };

    const heard = async (event: string): Promise<void> => {
      await eventually(`the event "${event}"`, () => events.some((each) => each.startsWith(event)), 20_000);
    };

    const on = async (host: string, ...argv: readonly string[]): Promise<string> =>
      (await inPlace({ lab: lab.name, host }, argv)).trim();

    type Target = NonNullable<LibvirtNetwork['target']>;

    const apply = async (
      host: string,
      name: string,
      target: Target,
      force = false,
    ): Promise<ApplyLibvirtNetworkResponse> => {
      const network = LibvirtNetwork.fromPartial({ name, target });
      return await (await lab.connections.libvirt(host)).applyLibvirtNetwork({ network, force, validate_only: false });
    };

    const commands = ({ results }: ApplyLibvirtNetworkResponse): readonly string[] =>
      results.map(({ done, error, operation }) => (done ? (operation?.command ?? '') : error));

    const get = async (host: string, name: string): Promise<LibvirtNetwork> =>
      await (await lab.connections.libvirt(host)).getLibvirtNetwork({ name });

    const boots = async (host: string, name: string, network: string, port: Partial<Port>, anonymous = false) => {
      const ips = (port.fixed_ips ?? []).map(({ ip_address }) => ({ address: ip_address, prefix: 24 }));
      const spec = { id: port.id ?? crypto.randomUUID(), mac: port.mac_address ?? '', ips, mtu: 1450 };
      return await machineBoot({ lab: lab.name, host, name, network, port: spec, anonymous }, signal);
    };

    const run = async (name: string, ...argv: readonly string[]): Promise<string> => {
      const { exitCode, stdout } = await machineRun({ lab: lab.name, name }, argv, BOOT_MS, signal);
      return exitCode === 0 ? stdout.trim() : `exit ${exitCode.toString()}: ${stdout}`;
    };

    const address = (name: string): string => ports.get(name)?.fixed_ips[0]?.ip_address ?? '';
    const macOf = (name: string): string => ports.get(name)?.mac_address ?? '';
    const isBound = async (port: Port, host: string): Promise<boolean> => {
      const { status, binding_host_id } = await lab.getPort(port.id);
      return host === ''
        ? status !== Status.STATUS_ACTIVE
        : status === Status.STATUS_ACTIVE && binding_host_id === host;
    };
    const rowsOn = async (host: string): Promise<ReadonlyMap<string, string>> =>
      (await kernelTables(lab.name, host, `vxlan-${blue.segmentation_id.toString()}`)).fdb;

    test('a network is one name: the bridge and how to plug into it follow, and the second time there is nothing to do', async () => {
      const target = { $case: 'network_id', value: blue.id } as const;
      for (const host of HOSTS) {
        const isSwitch = host === 'h3' || host === 'h4';
        const first = await apply(host, 'blue', target);
        expect(commands(first)).toEqual([
          'virsh net-define /var/lib/weft/agent/blue.libvirt.xml',
          'virsh net-start blue',
          'virsh net-autostart blue',
        ]);
        expect(first.network).toMatchObject({
          ...{ name: 'blue', target, uuid: blue.id, openvswitch: isSwitch, mtu: 1450, problems: [] },
          ...{
            bridge_name: isSwitch ? 'br-int' : `brq${blue.id.slice(0, 11)}`,
            active: true,
            autostart: true,
            managed: true,
          },
        });
        expect(commands(await apply(host, 'blue', target))).toEqual([]);
      }
      expect(await on('h1', 'virsh', 'net-uuid', 'blue')).toBe(blue.id);
    });

    test('machines that are started in it reach each other over both dataplanes', async () => {
      for (const [at, host] of HOSTS.entries()) {
        const name = `vm${(at + 1).toString()}`;
        const port = await lab.port(blue, { name });
        ports.set(name, port);
        // By interfaceid where Open vSwitch has room for it, else by MAC address; that alone on h4.
        const guest = await boots(host, name, 'blue', port, host === 'h4');
        expect(guest.tap).toMatch(/^vnet\d+$/);
        await eventually(`${name} has its port`, async () => isBound(port, host), 20_000);
      }
      await lab.inSync(blue.id, 4);
      for (const name of ports.keys()) await run(name, 'true');
      for (const [from, to] of [
        ['vm1', 'vm2'],
        ['vm3', 'vm4'],
        ['vm1', 'vm3'],
        ['vm4', 'vm2'],
      ] as const) {
        expect(await run(from, 'ping', '-c', '2', '-W', '5', address(to))).toContain('2 packets received');
        const echo = `head -c 100000 /dev/zero | nc -w 20 ${address(to)} 7 | wc -c`;
        expect([from, to, await run(from, 'sh', '-c', echo)]).toEqual([from, to, '100000']);
      }
      expect((await get('h1', 'blue')).cards).toMatchObject([{ domain_name: 'vm1', mac_address: macOf('vm1') }]);
      await heard('h4 machine vm4: Started Booted');
    });

    test('a machine that crashes is withdrawn everywhere, and is there again when it is started', async () => {
      expect((await rowsOn('h1')).get(macOf('vm4'))).toBe('192.0.2.14');
      await on('h4', 'sh', '-c', 'kill -9 $(cat /run/libvirt/qemu/vm4.pid)');
      await heard('h4 machine vm4: Stopped Failed');
      await lab.inSync(blue.id, 3);
      expect((await rowsOn('h1')).has(macOf('vm4'))).toBe(false);
      await eventually(
        'libvirt has taken note',
        async () => (await on('h4', 'virsh', 'domstate', 'vm4')) === 'shut off',
        20_000,
      );
      await on('h4', 'virsh', 'start', 'vm4');
      await lab.inSync(blue.id, 4);
      expect((await rowsOn('h1')).get(macOf('vm4'))).toBe('192.0.2.14');
      await vmKill({ lab: lab.name, name: 'vm4' }, signal);
      await lab.inSync(blue.id, 3);
    });

    test('a restart of libvirtd changes nothing for machines, and its events are heard again', async () => {
      const before = await rowsOn('h1');
      for (const host of ['h1', 'h3']) {
        await processKill9({ lab: lab.name, host, process: 'libvirtd' }, signal);
        await processStart({ lab: lab.name, host, process: 'libvirtd' }, signal);
      }
      // Until virsh is started again and listens, nothing is told.
      await eventually(
        'events of h3 are heard',
        async () => {
          await on('h3', 'virsh', 'suspend', 'vm3');
          await on('h3', 'virsh', 'resume', 'vm3');
          return (
            events.includes('h3 machine vm3: Suspended Paused') && events.includes('h3 machine vm3: Resumed Unpaused')
          );
        },
        30_000,
      );
      expect(await rowsOn('h1')).toEqual(before);
      expect(await run('vm1', 'ping', '-c', '2', '-W', '5', address('vm3'))).toContain('2 packets received');
      const target = { $case: 'network_id', value: blue.id } as const;
      for (const host of HOSTS) expect(commands(await apply(host, 'blue', target))).toEqual([]);
    });

    test('cards come and go while a machine runs', async () => {
      for (const [name, host] of [
        ['vm1', 'h1'],
        ['vm3', 'h3'],
      ] as const) {
        const port = await lab.port(blue);
        const card = {
          network: 'blue',
          mac: port.mac_address,
          mtu: 1450,
          ...(host === 'h3' && { interfaceId: port.id }),
        };
        await machinePlug({ lab: lab.name, name }, card, signal);
        await eventually('the card has its port', async () => isBound(port, host), 20_000);
        await machineUnplug({ lab: lab.name, name }, port.mac_address, signal);
        await eventually('the port is down', async () => isBound(port, ''), 30_000);
        await heard(`${host} machine ${name}: Unplugged`);
      }
    });

    test('a machine that migrates while it runs takes its port along, and back', async () => {
      const port = ports.get('vm3');
      if (port === undefined) throw new Error('vm3 was not booted');
      for (const [from, to, vtep] of [
        ['h3', 'h4', '192.0.2.14'],
        ['h4', 'h3', '192.0.2.13'],
      ] as const) {
        const servers = labProcesses({ lab: lab.name, host: to }).filter(({ argv }) => argv[0]?.endsWith('/libvirtd'));
        const pid = servers[0]?.pid ?? 0;
        const socket = `/proc/${pid.toString()}/root/run/libvirt/libvirt-sock`;
        const uri = ['--live', '--unsafe', 'vm3', `qemu+unix:///system?socket=${socket}`];
        await on(from, 'virsh', 'migrate', ...uri, '--migrateuri', `tcp://${vtep}`);
        await eventually(`${to} has the port`, async () => isBound(port, to), 20_000);
        await lab.inSync(blue.id, 3);
        expect((await rowsOn('h1')).get(macOf('vm3'))).toBe(vtep);
        await heard(`${from} machine vm3: Stopped Migrated`);
        await heard(`${to} machine vm3: Resumed Migrated`);
        expect(await run('vm1', 'ping', '-c', '2', '-W', '5', address('vm3'))).toContain('2 packets received');
      }
    });

    test('what no port is known for becomes one where the network allows it, with an address and its machine', async () => {
      const open = await lab.network({ name: 'open', auto_ports: true });
      await lab.subnet(open, '10.9.0.0/24');
      for (const [host, mac] of [
        ['h2', '52:54:00:99:00:02'],
        ['h4', '52:54:00:99:00:04'],
      ] as const) {
        await apply(host, 'open', { $case: 'network_id', value: open.id });
        const name = `auto-${host}`;
        await boots(host, name, 'open', { mac_address: mac }, true);
        let found: Port | undefined;
        await eventually(
          `${name} has a port`,
          async () => {
            const { ports: all } = await (
              await lab.connections.topology()
            ).listPorts(ListPortsRequest.fromPartial({ network_id: open.id }));
            found = all.find(({ mac_address }) => mac_address === mac);
            return found?.status === Status.STATUS_ACTIVE;
          },
          30_000,
        );
        expect(found?.fixed_ips[0]?.ip_address).toMatch(/^10\.9\.0\./);
        expect(found?.device_id).toBe(await on(host, 'virsh', 'domuuid', name));
        ports.set(name, found ?? ({} as Port));
      }
      for (const name of ['auto-h2', 'auto-h4'])
        await run(name, 'ip', 'addr', 'add', `${address(name)}/24`, 'dev', 'eth0');
      expect(await run('auto-h2', 'ping', '-c', '2', '-W', '5', address('auto-h4'))).toContain('2 packets received');
      for (const name of ['auto-h2', 'auto-h4']) await vmKill({ lab: lab.name, name }, signal);
    });

    test('its bridge waits for machines, also across a restart of the agent', async () => {
      const { bridge_name } = await get('h2', 'open');
      const index = await on('h2', 'cat', `/sys/class/net/${bridge_name}/ifindex`);
      await agentRestart({ lab: lab.name, host: 'h2' }, signal);
      await eventually('the agent has looked', async () => (await get('h2', 'open')).active, 20_000);
      await sleep(5_000, signal);
      expect(await on('h2', 'cat', `/sys/class/net/${bridge_name}/ifindex`)).toBe(index);
    });

    test('a network that machines use is neither changed nor deleted unless forced, and they are plugged again then', async () => {
      for (const bridge of ['bra', 'brb']) {
        await on('h2', 'ip', 'link', 'add', bridge, 'type', 'bridge');
        await on('h2', 'ip', 'link', 'set', bridge, 'up');
      }
      await apply('h2', 'local', { $case: 'bridge', value: 'bra' });
      const { tap } = await boots('h2', 'moved', 'local', { mac_address: '52:54:00:99:00:05' });
      const elsewhere = { $case: 'bridge', value: 'brb' } as const;
      await expect(apply('h2', 'local', elsewhere)).rejects.toMatchObject({ reason: 'LIBVIRT_NETWORK_IN_USE' });
      const libvirt = await lab.connections.libvirt('h2');
      const removal = { name: 'local', force: false, validate_only: false };
      await expect(libvirt.deleteLibvirtNetwork(removal)).rejects.toMatchObject({ reason: 'LIBVIRT_NETWORK_IN_USE' });
      expect(await on('h2', 'ls', '/sys/class/net/bra/brif')).toBe(tap);

      expect(commands(await apply('h2', 'local', elsewhere, true)).at(-1)).toBe(`ip link set dev ${tap} master brb`);
      expect(await on('h2', 'ls', '/sys/class/net/brb/brif')).toBe(tap);
      expect(commands(await apply('h2', 'local', elsewhere))).toEqual([]);
      await vmKill({ lab: lab.name, name: 'moved' }, signal);
      const { results } = await libvirt.deleteLibvirtNetwork(removal);
      expect(results.map(({ operation }) => operation?.command)).toEqual([
        'virsh net-destroy local',
        'virsh net-undefine local',
      ]);
      expect(await on('h2', 'virsh', 'net-list', '--all', '--name')).not.toContain('local');
    });

    test('what somebody stops by hand is started again, and said', async () => {
      await on('h2', 'virsh', 'net-destroy', 'blue');
      await eventually('it is active', async () => (await get('h2', 'blue')).active, 20_000);
      await heard('h2 libvirt network blue is not as it was applied');
    });

    test('names that do not match are told with cause and cure, and the cure cures', async () => {
      await on('h3', 'ovs-vsctl', 'add-br', 'ovs_sw0', '--', 'set', 'Bridge', 'ovs_sw0', 'datapath_type=netdev');
      const xml =
        "<network><name>vxnet0</name><forward mode='bridge'/><bridge name='ovs-sw0'/><virtualport type='openvswitch'/></network>";
      await on('h3', 'sh', '-c', `echo "${xml}" >/run/vxnet0.xml`);
      await on('h3', 'virsh', 'net-define', '/run/vxnet0.xml');
      await on('h3', 'virsh', 'net-start', 'vxnet0');
      const message =
        'libvirt network vxnet0 leads into bridge ovs-sw0, and this host has none of that name; it has ovs_sw0';
      const cure = 'weft libvirt network apply vxnet0 --bridge ovs_sw0 --force';
      expect((await get('h3', 'vxnet0')).problems).toEqual([{ reason: 'BRIDGE_MISSING', message, cure }]);
      await heard(`h3 ${message}; mend it: ${cure}`);
      const target = (value: string) => ({ $case: 'bridge', value }) as const;
      await expect(apply('h3', 'other', target('ovs-sw0'))).rejects.toMatchObject({ reason: 'LIBVIRT_BRIDGE' });
      await expect(apply('h3', 'vxnet0', target('ovs_sw0'))).rejects.toMatchObject({
        reason: 'LIBVIRT_NETWORK_FOREIGN',
      });
      await apply('h3', 'vxnet0', target('ovs_sw0'), true);
      expect(await get('h3', 'vxnet0')).toMatchObject({
        bridge_name: 'ovs_sw0',
        openvswitch: true,
        managed: true,
        problems: [],
      });
      // The machine's device is in it: libvirt and Open vSwitch mean the same bridge.
      const { tap } = await boots('h3', 'article', 'vxnet0', { mac_address: '52:54:00:99:00:06' });
      expect(await on('h3', 'ovs-vsctl', 'port-to-br', tap)).toBe('ovs_sw0');
      await vmKill({ lab: lab.name, name: 'article' }, signal);
    });
  },
);
