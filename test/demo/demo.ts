import { agentKill9, agentStart, labList } from '../../cli/lab/index.ts';
import { sleep } from '#platform/async/sleep.ts';
import { deviceNames, inPlace, kernelTables } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { switchFlows, switchTables } from '../system/switch-tables.ts';
import { ping, tcpCheck, tcpEcho } from '../system/traffic.ts';
import { lacksLibvirt } from '../../cli/lab/testing/libvirt.ts';
import { ARTICLE_LAB, demoArticle } from './article.ts';
import { convergenceOf } from './convergence.ts';
import { demoMachines } from './machines.ts';
import { demoVoice, runDemos } from './voice.ts';

/** The main job of weft from nothing to nothing, on real kernels and a real switch; each step is verified, and the exit code says so. */
const LAB = 'demo';
const { say, heading, verify, command } = demoVoice(LAB);
const shown = async (host: string, argv: readonly string[]): Promise<void> => {
  say(`    ${host}$ ${argv.join(' ')}`);
  const text = await inPlace({ lab: LAB, host }, argv);
  for (const line of text.trimEnd().split('\n')) say(`      ${line}`);
};

/** Two Linux bridges and an Open vSwitch: guests must not see the difference. */
const DRIVERS = ['linuxbridge', 'linuxbridge', 'ovs'] as const;

const guests = [
  { name: 'vm1', host: 'h1' },
  { name: 'vm2', host: 'h2' },
  { name: 'vm3', host: 'h3' },
] as const;

const demo = async (): Promise<void> => {
  heading(
    'a control plane and three hosts, two with Linux bridges, one with Open vSwitch, each with an agent of its own',
  );
  await using lab = await LabWeft.up({ name: LAB, hosts: 3, drivers: DRIVERS });
  for (const { name, driver, underlayAddress, underlayDevice, mtu } of lab.lab.hosts)
    say(`    ${name}: ${driver}, VTEP ${underlayAddress} on ${underlayDevice}, MTU ${mtu.toString()}`);
  verify(lab.hosts.length === 3, 'three hosts are up');

  heading('a network with an IPv4 and an IPv6 subnet');
  const network = await lab.network({ name: 'blue' });
  const subnets = [await lab.subnet(network, '172.16.1.0/24'), await lab.subnet(network, '2001:db8:16:1::/64')];
  await command('network', 'list');
  await command('subnet', 'list', '--network', 'blue');
  const vxlan = `vxlan-${network.segmentation_id.toString()}`;

  heading('a guest boots on each host; every other host learns where it is');
  const ports = new Map<string, Awaited<ReturnType<LabWeft['port']>>>();
  for (const [index, { name, host }] of guests.entries()) {
    const port = await lab.port(network, { name });
    ports.set(name, port);
    await lab.boot(name, host, port, network);
    await lab.converged(network.id, index + 1);
    await command('port', 'wait', name);
  }
  const warm = await lab.port(network, { name: 'vm4' });
  await lab.boot('vm4', 'h1', warm, network);
  await lab.converged(network.id, 4);
  const measured = await convergenceOf(lab, warm.id);
  say(
    `    vm4, the fourth guest: ${measured.ms.toFixed(2)} ms from its tap to the kernel of the last of ${measured.hosts.toString()} hosts`,
  );
  verify(measured.hosts === 3, 'all three hosts applied it in one trace');

  heading('every guest reaches every other, whatever carries it: ping and TCP, IPv4 and IPv6');
  const all = [...guests.map(({ name }) => ({ name, port: ports.get(name) ?? warm })), { name: 'vm4', port: warm }];
  const servers = all.map(async ({ name }) => tcpEcho(LAB, name, 5_000));
  await sleep(700, AbortSignal.timeout(5_000));
  for (const { name } of all) {
    const others = all
      .filter((other) => other.name !== name)
      .flatMap(({ port }) => port.fixed_ips.map(({ ip_address }) => ip_address));
    const pings = await Promise.all(others.map(async (address) => ping(LAB, name, address, 3, 10)));
    const lost = pings.reduce((sum, { sent, received }) => sum + sent - received, 0);
    verify(
      pings.every(({ sent }) => sent === 3) && lost === 0,
      `${name} pings ${others.length.toString()} addresses, nothing lost`,
    );
    const tcp = await tcpCheck(LAB, name, others);
    verify(
      others.every((address) => tcp[address] === true),
      `${name} exchanges 100 kB over TCP with each of them`,
    );
  }

  await Promise.all(servers);

  heading('what the kernel of h1 holds: FDB, neighbours (ARP and ND are answered from them), flood list');
  await shown('h1', ['bridge', 'fdb', 'show', 'dev', vxlan]);
  await shown('h1', ['ip', 'neigh', 'show', 'dev', vxlan]);
  const tables = await kernelTables(LAB, 'h1', vxlan);
  const remote = all.filter(({ name }) => name === 'vm2' || name === 'vm3').map(({ port }) => port);
  verify(
    tables.fdb.size === 2 && remote.every(({ mac_address }) => tables.fdb.has(mac_address)),
    'a unicast row for each remote guest, none more',
  );
  verify(tables.neighbours.size === 4, 'a permanent neighbour for each of their addresses');
  verify(tables.flood.join(' ') === '192.0.2.12 192.0.2.13', 'the flood list is the two other VTEPs');

  heading('what Open vSwitch on h3 holds: the same, as flows');
  for (const table of ['unicast', 'flood']) {
    await shown('h3', [
      'ovs-ofctl',
      '-O',
      'OpenFlow15',
      '--names',
      '--no-stats',
      'dump-flows',
      'br-int',
      `table=${table}`,
    ]);
  }
  const flows = await switchTables(LAB, 'h3', network.segmentation_id);
  const others = all.filter(({ name }) => name !== 'vm3').map(({ port }) => port);
  verify(
    flows.fdb.size === 3 && others.every(({ mac_address }) => flows.fdb.has(mac_address)),
    'a unicast flow for each remote guest, none more',
  );
  verify(
    flows.neighbours.size === 6 &&
      others.every((port) =>
        port.fixed_ips.every(({ ip_address }) => flows.neighbours.get(ip_address) === port.mac_address),
      ),
    'a flow that answers ARP or ND for each of their addresses',
  );
  verify(flows.flood.join(' ') === '192.0.2.11 192.0.2.12', 'the flood list is the two other VTEPs');

  heading('who did what for vm4, on which host, with the equivalent command');
  await command('explain', 'port', warm.id, '--last', '1');

  heading('the agents of h2 and h3 are killed (-9) and started again under pings every 5 ms');
  const restarted = ['h2', 'h3'] as const;
  const underFire = ['vm2', 'vm3'].map(async (name) => {
    const [target] = ports.get(name)?.fixed_ips ?? [];
    return await ping(LAB, 'vm1', target?.ip_address ?? '', 800, 5);
  });
  await sleep(500, AbortSignal.timeout(5_000));
  await Promise.all(restarted.map(async (host) => agentKill9({ lab: LAB, host }, AbortSignal.timeout(10_000))));
  await sleep(300, AbortSignal.timeout(5_000));
  await Promise.all(restarted.map(async (host) => agentStart({ lab: LAB, host }, AbortSignal.timeout(30_000))));
  for (const [index, { sent, received }] of (await Promise.all(underFire)).entries()) {
    const what = `${sent.toString()} pings sent to ${restarted[index] ?? ''}, ${(sent - received).toString()} lost`;
    verify(sent === 800 && received === 800, what);
  }
  await lab.inSync(network.id, 4);
  for (const host of restarted) {
    const state = await (await lab.connections.agent(host)).getHostState({});
    verify(state.operation_count === '0', `the new agent of ${host} found everything right: 0 operations`);
  }

  heading('vm4 moves from h1 to h3, from a Linux bridge to Open vSwitch, under a ping every 5 ms');
  const moving = ping(LAB, 'vm2', warm.fixed_ips[0]?.ip_address ?? '', 600, 5);
  await sleep(500, AbortSignal.timeout(5_000));
  await lab.move('vm4', 'h3');
  const moved = await moving;
  verify((await lab.getPort(warm.id)).binding_host_id === 'h3', 'the port is bound to h3');
  await lab.inSync(network.id, 4);
  const after = await kernelTables(LAB, 'h2', vxlan);
  verify(after.fdb.get(warm.mac_address) === '192.0.2.13', 'h2 sends to it by VTEP 192.0.2.13');
  verify(
    moved.sent - moved.received <= 10,
    `${(moved.sent - moved.received).toString()} of ${moved.sent.toString()} pings lost while it moved`,
  );
  await command('status');

  heading('virtual machines of libvirt boot on h2 and h3, as by virsh start');
  const lack = await lacksLibvirt();
  if (lack === undefined) await demoMachines(lab, network, all.length, { command, verify });
  else say(`    SKIP ${lack}`);

  heading('everything is deleted');
  for (const { name, port } of all) {
    await lab.kill(name);
    await lab.deletePort(port.id);
  }
  for (const { id } of subnets) await lab.deleteSubnet(id);
  await gone(lab, vxlan);
  await lab.deleteNetwork(network.id);
  for (const { name, driver } of lab.lab.hosts) {
    const left = (await deviceNames(LAB, name)).filter((device) => /^(brq|vxlan-|tap)/.test(device));
    verify(left.length === 0, `${name} has no bridge, VXLAN device or tap left`);
    if (driver !== 'ovs') continue;
    verify((await guestFlows(name)).length === 0, `${name} has no flows left but those that serve all networks`);
  }
  await lab.down();
  verify(!labList().some(({ name }) => name === LAB), 'the lab is gone: no namespace, no process, no file');
};

/** Flows of a host that are for a network or a guest. */
const guestFlows = async (host: string): Promise<readonly string[]> =>
  (await switchFlows(LAB, host)).filter((flow) => !flow.includes('cookie=0x7765667400000000,'));

const gone = async (lab: LabWeft, vxlan: string): Promise<void> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const names = await Promise.all(lab.hosts.map(async (host) => deviceNames(LAB, host)));
    const isGone = !names.flat().some((name) => name === vxlan || name.startsWith('brq'));
    if (isGone && (await guestFlows('h3')).length === 0) return;
    await sleep(50, AbortSignal.timeout(5_000));
  }
};

await runDemos({ [LAB]: demo, [ARTICLE_LAB]: demoArticle });
