import { randomUUID } from 'node:crypto';
import { LibvirtNetwork } from '#proto/weft/agent/v1/libvirt.ts';
import { Port, type Network } from '#proto/weft/topology/v1/topology.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import type { Command, CommandContext, Flag } from '../command.ts';
import { Connections } from '../client/connections.ts';
import { labEndpoints } from '../client/endpoints.ts';
import { environment } from '../config/environment.ts';
import { agentProcess, controlPlaneProcess, standaloneAgentProcess } from '../lab-processes.ts';
import {
  agentKill9,
  agentRestart,
  agentStart,
  agentStop,
  DEFAULT_LAB,
  LAB_IMAGE,
  labDockerImage,
  labDockerRestart,
  labDockerUp,
  labDown,
  labExec,
  labLibvirtUp,
  labList,
  labStatus,
  labUp,
  machineBoot,
  machineConsole,
  machineRun,
  preflight,
  vmBoot,
  vmKill,
  vmList,
  vmMove,
  type GuestPortSpec,
} from '../lab/index.ts';
import { usageError } from '../usage.ts';
import { resolveNetwork, resolvePort, wholeNumber } from './resolve.ts';

const NAME: Flag = { type: 'string', value: 'NAME', doc: 'which lab ($WEFT_LAB; default "lab")' };

const labName = ({ flags, args }: CommandContext, position?: number): string =>
  flags.text('name') ??
  flags.text('lab') ??
  (position === undefined ? undefined : args[position]) ??
  environment().lab ??
  DEFAULT_LAB;

const parseHosts = (text: string): number | readonly string[] => (/^\d+$/.test(text) ? Number(text) : text.split(','));

/** The same command with connections to that lab's control plane. */
const inLab = (context: CommandContext, lab: string): CommandContext & Disposable => {
  const connections = new Connections(async () => Promise.resolve(labEndpoints(lab)));
  return {
    ...context,
    connections,
    [Symbol.dispose]: () => {
      connections[Symbol.dispose]();
    },
  };
};

/** What a guest must be told of its port: addresses with the prefixes of their subnets, gateways, MTU. */
const guestPort = async (
  { connections, signal }: CommandContext,
  port: Port,
  network: Network,
): Promise<GuestPortSpec> => {
  const ipam = await connections.ipam();
  const ips: { address: string; prefix: number }[] = [];
  const gateways = new Map<number, string>();
  for (const { subnet_id, ip_address } of port.fixed_ips) {
    const subnet = await ipam.getSubnet({ id: subnet_id }, { signal });
    const { prefixLength, version } = parseCidr('cidr', subnet.cidr);
    ips.push({ address: ip_address, prefix: prefixLength });
    if (subnet.gateway_ip !== undefined && subnet.gateway_ip !== '') gateways.set(version, subnet.gateway_ip);
  }
  return { id: port.id, mac: port.mac_address, ips, gateways: [...gateways.values()], mtu: network.mtu };
};

/** The libvirt network by which machines of a host come into a network; libvirt is started where it is not. */
const libvirtNetwork = async (
  { connections, signal }: CommandContext,
  lab: string,
  host: string,
  { id, name }: Network,
): Promise<string> => {
  try {
    await labLibvirtUp({ lab, host }, signal);
  } catch (thrown) {
    // It runs: what is wanted.
    if (!(thrown instanceof DomainError && thrown.reason === 'PROCESS_EXISTS')) throw thrown;
  }
  const libvirt = await connections.libvirt(host);
  const { networks } = await libvirt.listLibvirtNetworks({}, { signal });
  const known = networks.find(({ target }) => target?.$case === 'network_id' && target.value === id);
  if (known?.active === true) return known.name;
  const wish = {
    name: name === '' ? `weft-${id.slice(0, 11)}` : name,
    target: { $case: 'network_id', value: id },
  } as const;
  const request = { network: LibvirtNetwork.fromPartial(known ?? wish), force: false, validate_only: false };
  const { results } = await libvirt.applyLibvirtNetwork(request, { signal });
  const failed = results.find(({ done }) => !done);
  if (failed === undefined) return request.network.name;
  throw new DomainError(
    'internal',
    'LAB_COMMAND_FAILED',
    `${failed.operation?.command ?? ''} on ${host}: ${failed.error}`,
  );
};

const boot = async (outer: CommandContext): Promise<number | undefined> => {
  const lab = labName(outer);
  using context = inLab(outer, lab);
  const { args, flags, connections, output, signal } = context;
  const [name = '', host = ''] = args;
  const topology = await connections.topology();
  const wantedPort = flags.text('port');
  const wantedNetwork = flags.text('network');
  if ((wantedPort === undefined) === (wantedNetwork === undefined))
    throw usageError('give --port or --network, one of them');
  let port: Port;
  if (wantedPort !== undefined) port = await resolvePort(context, wantedPort);
  else {
    const { id: network_id } = await resolveNetwork(context, wantedNetwork ?? '');
    const wish = Port.fromPartial({ network_id, name, device_id: name, device_owner: 'compute:lab' });
    port = await topology.createPort({ port: wish, request_id: randomUUID(), validate_only: false }, { signal });
  }
  const network = await topology.getNetwork({ id: port.network_id }, { signal });
  const spec = await guestPort(context, port, network);
  if (flags.on('real') && flags.on('dhcp'))
    throw usageError('--dhcp is for guests that are namespaces, not for --real');
  const guest = flags.on('real')
    ? await machineBoot(
        { lab, host, name, port: spec, network: await libvirtNetwork(context, lab, host, network) },
        signal,
      )
    : await vmBoot({ lab, host, name, port: spec, dhcp: flags.on('dhcp') }, signal);
  output.text(
    `booted ${name} on ${host}: port ${port.id}, ${guest.tap}, ${guest.port.ips.map(({ address }) => address).join(' ')}`,
  );
  output.data({
    ...{ name, host, port_id: port.id, tap: guest.tap, mac_address: port.mac_address, fixed_ips: port.fixed_ips },
    ...(guest.resolvConf !== undefined && { resolv_conf: guest.resolvConf }),
  });
  return undefined;
};

const up = async (context: CommandContext): Promise<number | undefined> => {
  const { flags, output, signal } = context;
  const drivers = (flags.text('drivers') ?? 'linuxbridge').split(',');
  const checks = await preflight(signal, { switches: drivers.includes('ovs') });
  if (!checks.ok) {
    for (const { what, ok, found, mend } of checks.checks) if (!ok) output.note(`${what}: ${found}; ${mend}`);
    return 4;
  }
  const separate = flags.on('separate');
  const standalone = flags.on('standalone');
  if (standalone && separate) throw usageError('--standalone has no services that could be --separate');
  const underlay = flags.text('underlay') ?? 'ipv4';
  if (underlay !== 'ipv4' && underlay !== 'ipv6') throw usageError(`--underlay: "${underlay}" is not ipv4 or ipv6`);
  const started = performance.now();
  let told = '';
  const lab = await labUp(
    {
      name: labName(context, 0),
      hosts: parseHosts(flags.text('hosts') ?? '3'),
      drivers,
      ...(flags.has('roles') && { roles: (flags.text('roles') ?? '').split(',') }),
      ...(flags.has('physical-network') && { physicalNetwork: flags.text('physical-network') ?? '' }),
      ...(flags.has('provider-gateway') && { providerGateway: (flags.text('provider-gateway') ?? '').split(',') }),
      underlay,
      ...(flags.has('first-address') && { firstAddress: flags.text('first-address') ?? '' }),
      separate,
      ...(flags.has('mtu') && { mtu: wholeNumber('mtu', flags.text('mtu')) }),
      ...(flags.has('state-dir') && { stateDir: flags.text('state-dir') ?? '' }),
      controlPlane: (control) => (standalone ? [] : [controlPlaneProcess(control)]),
      agent: (host) => (standalone ? standaloneAgentProcess(host) : agentProcess(host, separate)),
      progress: ({ step, done, total }) => {
        if (step === told) return;
        told = step;
        output.note(`${step} (${done.toString()}/${total.toString()})`);
      },
    },
    signal,
  );
  const ms = Math.round(performance.now() - started);
  output.text(
    `lab ${lab.name} is up in ${ms.toString()} ms: ${lab.hosts.map(({ name, underlayAddress }) => `${name} (VTEP ${underlayAddress})`).join(', ')}`,
  );
  output.data({
    name: lab.name,
    state_dir: lab.stateDir,
    hosts: lab.hosts.map(({ name, driver, roles, underlayAddress }) => ({
      ...{ name, driver, roles },
      vtep_address: underlayAddress,
    })),
  });
  return undefined;
};

const status = (context: CommandContext): number => {
  const { output } = context;
  const lab = labStatus(labName(context, 0));
  output.data(lab);
  output.text(`lab ${lab.name}: ${lab.state}, state in ${lab.stateDir}`);
  const rows = [
    ...lab.controlPlane.map((each) => ({ place: 'control', driver: '-', ...each })),
    ...lab.gateway.map((each) => ({ place: 'gateway', driver: '-', ...each })),
    ...lab.hosts.flatMap((host) => host.processes.map((each) => ({ place: host.name, driver: host.driver, ...each }))),
  ];
  if (!output.machine) {
    output.rows(rows, [
      { title: 'PLACE', value: ({ place }) => place },
      { title: 'DRIVER', value: ({ driver }) => driver },
      { title: 'PROCESS', value: ({ name }) => name },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'PID', value: ({ pid }) => (pid === undefined ? '-' : String(pid)) },
      { title: 'LOG', value: ({ log }) => log },
    ]);
  }
  return lab.state === 'up' ? 0 : 1;
};

const dockerUp = async (context: CommandContext): Promise<undefined> => {
  const { args, flags, signal } = context;
  const bip = flags.text('bip');
  if (bip === undefined) throw usageError('lab docker up: --bip is needed, such as 10.1.0.1/16');
  const mtu = flags.has('mtu') ? { mtu: wholeNumber('mtu', flags.text('mtu')) } : {};
  await labDockerUp({ lab: labName(context), host: args[0] ?? '', bip, ...mtu }, signal);
  return undefined;
};

const agentActions = { start: agentStart, stop: agentStop, restart: agentRestart, kill: agentKill9 } as const;

/** What a virtual machine may take for a command, its boot included. */
const MACHINE_MS = 120_000;

/** `weft lab …` */
export const labCommands: readonly Command[] = [
  {
    path: 'lab up',
    summary: 'make hosts as namespaces on this machine, with control plane and agents',
    args: ['[NAME]'],
    flags: {
      name: NAME,
      hosts: { type: 'string', value: 'N|A,B,...', doc: 'how many, or their names (default 3: h1, h2, h3)' },
      drivers: {
        type: 'string',
        value: 'A,B,...',
        doc: 'linuxbridge or ovs, for each host in order, or one for all (default linuxbridge)',
      },
      roles: {
        type: 'string',
        value: 'A,B,...',
        doc: 'network or compute, for each host in order, or one for all (default compute)',
      },
      'physical-network': {
        type: 'string',
        value: 'NAME',
        doc: 'a wire of this name that each host has an eth1 on, mapped for its agent',
      },
      'provider-gateway': {
        type: 'string',
        value: 'ADDRESS/LENGTH,...',
        doc: 'a gateway on that wire, such as 172.32.0.1/24; beyond it 198.51.100.1 answers',
      },
      underlay: { type: 'string', value: 'FAMILY', doc: 'ipv4 (default) or ipv6' },
      'first-address': {
        type: 'string',
        value: 'ADDRESS',
        doc: "the first host's on the underlay (default 192.0.2.11 or 2001:db8:ffff::11); the others follow",
      },
      mtu: { type: 'string', value: 'BYTES', doc: 'of the underlay (default 1500)' },
      separate: { type: 'boolean', doc: 'each service as a process of its own' },
      standalone: { type: 'boolean', doc: 'no control plane: agents with overlays of their own only' },
      'state-dir': { type: 'string', value: 'PATH', doc: 'where it keeps its state (default /var/lib/weft-lab/NAME)' },
    },
    run: up,
  },
  {
    path: 'lab down',
    summary: 'take a lab away, in whatever state it is',
    args: ['[NAME]'],
    flags: { name: NAME },
    run: async (context) => {
      const report = await labDown(labName(context, 0), {}, context.signal);
      context.output.data(report);
      context.output.text(
        report.namespaces === 0 && report.processes === 0
          ? `lab ${report.name}: nothing was there`
          : `lab ${report.name} is gone: ${report.namespaces.toString()} namespaces, ${report.processes.toString()} processes`,
      );
      return undefined;
    },
  },
  {
    path: 'lab list',
    summary: 'list labs',
    run: async ({ output }) => {
      output.rows(labList(), [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'STATE', value: ({ state }) => state },
        { title: 'HOSTS', value: ({ hosts }) => String(hosts) },
        { title: 'GUESTS', value: ({ guests }) => String(guests) },
        { title: 'STATE DIR', value: ({ stateDir }) => stateDir },
      ]);
      await Promise.resolve(undefined);
    },
  },
  {
    path: 'lab status',
    summary: 'what of a lab runs, and where its logs are',
    args: ['[NAME]'],
    flags: { name: NAME },
    run: (context) => Promise.resolve(status(context)),
  },
  {
    path: 'lab exec',
    summary: 'run a command on a host (or control, underlay, gateway) or in a guest',
    args: ['HOST|GUEST', '--', 'COMMAND...'],
    flags: { name: NAME },
    run: async (context) => {
      const [place = '', ...argv] = context.args;
      if (argv.length === 0) throw usageError('lab exec: no command given');
      const lab = labName(context);
      const guest = vmList(lab).find(({ name }) => name === place);
      if (guest?.isMachine === true) {
        const { exitCode, stdout } = await machineRun({ lab, name: place }, argv, MACHINE_MS, context.signal);
        if (stdout !== '') context.output.text(stdout.trimEnd());
        return exitCode;
      }
      return await labExec(guest === undefined ? { lab, host: place } : { lab, vm: place }, argv, context.signal);
    },
  },
  {
    path: 'lab agent',
    summary: "start, stop, restart or kill (-9) a host's agent",
    args: ['start|stop|restart|kill', 'HOST'],
    flags: { name: NAME },
    run: async (context) => {
      const [action = '', host = ''] = context.args;
      if (!(action in agentActions)) throw usageError(`lab agent: "${action}" is not start, stop, restart or kill`);
      await agentActions[action as keyof typeof agentActions]({ lab: labName(context), host }, context.signal);
      return undefined;
    },
  },
  {
    path: 'lab docker up',
    summary: 'start a dockerd on a host, with a docker0 and containers of its own',
    args: ['HOST'],
    flags: {
      name: NAME,
      bip: { type: 'string', value: 'ADDRESS/PREFIX', doc: 'of docker0, such as 10.1.0.1/16' },
      mtu: { type: 'string', value: 'BYTES', doc: "of docker0 and the containers' devices (default 1500)" },
    },
    run: dockerUp,
  },
  {
    path: 'lab docker restart',
    summary: "stop a host's dockerd, which stops its containers, and start it again",
    args: ['HOST'],
    flags: { name: NAME },
    run: async (context) => {
      await labDockerRestart({ lab: labName(context), host: context.args[0] ?? '' }, context.signal);
      return undefined;
    },
  },
  {
    path: 'lab docker image',
    summary: `make the image ${LAB_IMAGE} on a host: busybox alone, with nc, ping and ip`,
    args: ['HOST'],
    flags: { name: NAME },
    run: async (context) => {
      await labDockerImage({ lab: labName(context), host: context.args[0] ?? '' }, context.signal);
      return undefined;
    },
  },
  {
    path: 'lab libvirt up',
    summary: 'start a libvirtd on a host, with networks and virtual machines of its own',
    args: ['HOST'],
    flags: { name: NAME },
    run: async (context) => {
      await labLibvirtUp({ lab: labName(context), host: context.args[0] ?? '' }, context.signal);
      return undefined;
    },
  },
  {
    path: 'lab vm boot',
    summary: 'boot a guest behind a tap on a host',
    args: ['GUEST', 'HOST'],
    flags: {
      name: NAME,
      network: { type: 'string', value: 'NETWORK', doc: 'makes a port in this network' },
      port: { type: 'string', value: 'PORT', doc: 'takes this port' },
      dhcp: { type: 'boolean', doc: 'asks for its address by DHCP, rather than to have it' },
      real: { type: 'boolean', doc: 'a virtual machine of the libvirt of that host; a namespace otherwise' },
    },
    run: boot,
  },
  {
    path: 'lab vm kill',
    summary: 'end a guest; its tap goes, its port stays',
    args: ['GUEST'],
    flags: { name: NAME },
    run: async (context) => {
      await vmKill({ lab: labName(context), name: context.args[0] ?? '' }, context.signal);
      return undefined;
    },
  },
  {
    path: 'lab vm console',
    summary: 'print what a virtual machine has written to its console',
    args: ['GUEST'],
    flags: { name: NAME },
    run: async (context) => {
      context.output.text(machineConsole({ lab: labName(context), name: context.args[0] ?? '' }).trimEnd());
      await Promise.resolve(undefined);
    },
  },
  {
    path: 'lab vm move',
    summary: 'move a running guest to another host, as live migration does',
    args: ['GUEST', 'HOST'],
    flags: { name: NAME },
    run: async (context) => {
      const [name = '', host = ''] = context.args;
      await vmMove({ lab: labName(context), name, toHost: host }, context.signal);
      return undefined;
    },
  },
  {
    path: 'lab vm list',
    summary: 'list guests',
    flags: { name: NAME },
    run: async (context) => {
      context.output.rows(vmList(labName(context)), [
        { title: 'GUEST', value: ({ name }) => name },
        { title: 'HOST', value: ({ host }) => host },
        { title: 'TAP', value: ({ tap }) => tap },
        { title: 'ADDRESSES', value: ({ port }) => port.ips.map(({ address }) => address).join(' ') },
      ]);
      await Promise.resolve(undefined);
    },
  },
];
