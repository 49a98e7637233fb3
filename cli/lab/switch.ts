import { mkdirSync } from 'node:fs';
import { runInHost } from './in-host.ts';
import type { ProcessSpec } from './processes.ts';
import type { LabHost, LabRecord } from './record.ts';
import { SYSTEM_PATH, toolPath } from './tools.ts';
import type { Tools } from './run.ts';
import type { LabStore } from './store.ts';
import { UNDERLAY_DEVICE, UNDERLAY_SWITCH } from './topology.ts';

// Where Debian's packages look; with these a host's own, `ovs-vsctl` and the rest need no options there. /var/run is /run,
// but by that name the kernel tells of the sockets.
const RUN = '/var/run/openvswitch';
const OWN_FOLDERS = { etc: '/etc/openvswitch', lib: '/var/lib/openvswitch', log: '/var/log/openvswitch', run: RUN };
const DATABASE = '/etc/openvswitch/conf.db';
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';

/**
 * Lines of `ip -batch` for a host: the device that Open vSwitch shall use as the internal port of the underlay's bridge. The
 * userspace datapath's internal ports are persistent taps (netdev-linux.c: TUNSETPERSIST) and it takes over one that is
 * there. So the device, with address, routes and MTU, is there before ovs-vswitchd first starts, and stays when that is
 * killed or stopped: there is nothing to be restored when it starts again.
 */
export const switchDeviceLines = (lab: LabRecord, host: LabHost): readonly string[] => [
  `tuntap add dev ${UNDERLAY_SWITCH} mode tap`,
  `link set dev ${UNDERLAY_SWITCH} address ${switchMac(host)} mtu ${lab.mtu.toString()} up`,
];

/**
 * Of its own, so that the kernel, which sees what arrives at the device of the underlay as well, takes no unicast frame for
 * itself; and set before Open vSwitch would set it, for which that takes the device down (IPv6 addresses go by that).
 */
const switchMac = ({ index }: LabHost): string => {
  const octets = [index >> 8, index & 0xff].map((octet) => octet.toString(16).padStart(2, '0'));
  return `02:00:00:00:${octets.join(':')}`;
};

/** Settings of the host's network namespace, once its devices are there: of what arrives for Open vSwitch the kernel answers nothing. */
export const SWITCHED_UNDERLAY: readonly string[] = [
  `net.ipv4.conf.${UNDERLAY_DEVICE}.rp_filter=1`,
  `net.ipv6.conf.${UNDERLAY_DEVICE}.disable_ipv6=1`,
];

/** Gives a host its own folders of Open vSwitch, with an empty database. */
export const furnishSwitch = async (
  store: LabStore,
  host: LabHost,
  tools: Tools,
  signal: AbortSignal,
): Promise<void> => {
  const inHost = async (...argv: readonly string[]): Promise<void> => {
    await runInHost(store, host, argv, tools, signal);
  };
  await inHost(toolPath('mkdir'), RUN);
  for (const [name, folder] of Object.entries(OWN_FOLDERS)) {
    const own = store.hostDir(host.name, `openvswitch/${name}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    await inHost(toolPath('mount'), '--bind', own, folder);
  }
  await inHost(toolPath('ovsdb-tool'), 'create', DATABASE, SCHEMA);
};

const ENVIRONMENT = { PATH: SYSTEM_PATH, LC_ALL: 'C' };

/** How a host's database server runs. */
export const databaseProcess = (): ProcessSpec => ({
  name: 'ovsdb-server',
  argv: [
    toolPath('ovsdb-server'),
    DATABASE,
    `--remote=punix:${RUN}/db.sock`,
    '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
    ...OWN_LOG,
  ],
  env: ENVIRONMENT,
  ready: { unixSockets: [`${RUN}/db.sock`] },
});

/**
 * How a host's switch runs: with the userspace datapath, also where the kernel has one, so that all labs are alike. It is
 * ready when the underlay's bridge is: that is what this socket tells.
 */
export const switchProcess = (): ProcessSpec => ({
  name: 'ovs-vswitchd',
  argv: [toolPath('ovs-vswitchd'), `unix:${RUN}/db.sock`, '--disable-system', ...OWN_LOG],
  env: ENVIRONMENT,
  ready: { unixSockets: [`${RUN}/${UNDERLAY_SWITCH}.mgmt`] },
});

// The lab keeps what they write to the terminal; the file by which ovs-appctl finds them has to be asked for.
const OWN_LOG = ['--pidfile', '-vsyslog:off'];

/**
 * Says what the switch shall be, before it runs: who it is, and the bridge of the underlay. Tunnels of the userspace datapath
 * leave by a bridge of Open vSwitch only, so the host's device on the underlay is in one that acts as any switch does.
 */
export const configureSwitch = async (
  store: LabStore,
  host: LabHost,
  tools: Tools,
  signal: AbortSignal,
): Promise<void> => {
  const commands = [
    ['init'],
    ['set', 'Open_vSwitch', '.', `external_ids:system-id=${host.name}`, `external_ids:hostname=${host.name}`],
    ['add-br', UNDERLAY_SWITCH],
    ['set', 'Bridge', UNDERLAY_SWITCH, 'datapath_type=netdev', 'fail_mode=standalone'],
    ['set', 'Bridge', UNDERLAY_SWITCH, `other_config:hwaddr="${switchMac(host)}"`],
    ['add-port', UNDERLAY_SWITCH, UNDERLAY_DEVICE],
  ];
  const argv = [
    toolPath('ovs-vsctl'),
    '--no-wait',
    '--timeout=10',
    ...commands.flatMap((command) => ['--', ...command]),
  ];
  await runInHost(store, host, argv, tools, signal);
};
