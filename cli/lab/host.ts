import { mkdirSync } from 'node:fs';
import { arrived, launch } from './daemon.ts';
import { runInHost } from './in-host.ts';
import { furnishNetworkFiles } from './network-files.ts';
import { HOLDER } from './place.ts';
import { hostNamespace, LAB_MARK } from './names.ts';
import type { ProcessIdentity } from './proc.ts';
import type { LabHost, LabRecord, ProcessRecord } from './record.ts';
import { toolEnvironment } from './run.ts';
import type { Tools } from './run.ts';
import { HOST_DATA_DIR, makeMountPoint } from './shared-folders.ts';
import { switchDeviceLines } from './switch.ts';
import type { LabStore } from './store.ts';
import { toolPath } from './tools.ts';
import { PROVIDER_DEVICE } from './provider.ts';
import { MANAGEMENT_DEVICE, MANAGEMENT_PREFIX, UNDERLAY_DEVICE, underlayDevice, UNDERLAY_PREFIX } from './topology.ts';

// A fresh namespace has the kernel's defaults for IPv6 and waits a second before an address is usable.
const NO_DAD = ['net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'];
const NO_IPV6 = ['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1'];
// A guest that moves has its address on two devices for a moment, and tells its neighbours when it has moved.
const GUEST = [
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv4.conf.default.arp_notify=1',
  'net.ipv6.conf.default.ndisc_notify=1',
];

/** Settings of a namespace that holds bridges and no station. */
export const BRIDGES_ONLY = NO_IPV6;
/** Settings of a namespace of a host or the control plane: every address is usable at once. */
export const STATION = NO_DAD;
/** Settings of a guest. */
export const GUEST_STATION = [...NO_DAD, ...GUEST];

// Not all kernels know all keys, hence --ignore.
const SYSCTL = ['--quiet', '--ignore', '--write'];

/** Writes kernel settings of a network namespace; before its devices are made, since those copy the defaults. */
export const setInNamespace = async (
  tools: Tools,
  namespace: string,
  settings: readonly string[],
  signal: AbortSignal,
): Promise<void> => {
  await tools.run('ip', ['netns', 'exec', namespace, toolPath('sysctl'), ...SYSCTL, ...settings], signal);
};

/**
 * Makes the network namespace of a host a host: mount and UTS namespaces with a holder that keeps them, its own host name,
 * /run, /var/lib/weft and network configuration. Only the holder's record is left on the outside.
 */
export const furnishHost = async (
  store: LabStore,
  lab: LabRecord,
  host: LabHost,
  tools: Tools,
  signal: AbortSignal,
): Promise<void> => {
  const holder = await startHolder(store, lab, host, signal);
  const data = store.dataDir(host.name);
  // Daemons of the agent that are no longer root have files below.
  mkdirSync(data, { recursive: true, mode: 0o711 });
  makeMountPoint(HOST_DATA_DIR);
  const inHost = async (...argv: readonly string[]): Promise<void> => {
    await runInHost(store, host, argv, tools, signal);
  };
  await inHost(toolPath('mount'), '--bind', data, HOST_DATA_DIR);
  await furnishNetworkFiles(store, host, tools, signal);
  await inHost(toolPath('mount'), '-t', 'tmpfs', '-o', 'mode=755,nosuid,nodev', 'weft-lab', '/run');
  await inHost(toolPath('sysctl'), ...SYSCTL, `kernel.hostname=${host.name}`, ...STATION);
  // Seen from outside, the same tmpfs: what systemd makes for a service elsewhere.
  for (const folder of ['weft', 'lock']) mkdirSync(`/proc/${holder.pid.toString()}/root/run/${folder}`);
};

const startHolder = async (
  store: LabStore,
  lab: LabRecord,
  host: LabHost,
  signal: AbortSignal,
): Promise<ProcessIdentity> => {
  const record: ProcessRecord = {
    place: host.name,
    name: HOLDER,
    desired: 'running',
    argv: [toolPath('sleep'), 'infinity'],
    env: {},
    cwd: '/',
    ready: { tcpPorts: [], unixSockets: [], withinMs: 0 },
    log: store.logPath(host.name, HOLDER),
  };
  store.writeProcess(record);
  const what = {
    // `ip netns exec` brings the /sys of the namespace, `unshare` ends all propagation of mounts to and from this machine.
    enter: [
      ...[toolPath('ip'), 'netns', 'exec', hostNamespace(store.name, host.name)],
      ...[toolPath('unshare'), '--mount', '--uts', '--propagation', 'private', '--'],
    ],
    argv: record.argv,
    env: toolEnvironment({ [LAB_MARK]: lab.id }),
    cwd: '/',
    log: record.log,
  };
  const identity = launch(what);
  store.writeProcess({ ...record, identity });
  await arrived(identity, what, signal);
  return identity;
};

/** Lines of `ip -batch` that give a host's devices their addresses, usable at once. */
export const addressLines = (lab: LabRecord, host: LabHost): readonly string[] => {
  const device = underlayDevice(host);
  const prefix = UNDERLAY_PREFIX[lab.underlay].toString();
  const nodad = lab.underlay === 'ipv6' ? ' nodad' : '';
  return [
    'link set dev lo up',
    `link set dev ${UNDERLAY_DEVICE} up`,
    ...(host.driver === 'ovs' ? switchDeviceLines(lab, host) : []),
    `link set dev ${MANAGEMENT_DEVICE} up`,
    ...(lab.physicalNetwork === undefined ? [] : [`link set dev ${PROVIDER_DEVICE} up`]),
    `address add ${host.underlayAddress}/${prefix} dev ${device}${nodad}`,
    `address add ${host.managementAddress}/${MANAGEMENT_PREFIX.toString()} dev ${MANAGEMENT_DEVICE}`,
  ];
};
