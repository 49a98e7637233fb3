import { processAdd, processStart, processStop } from '../../cli/lab/index.ts';
import type { ProcessSpec } from '../../cli/lab/index.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { inPlace, tryInPlace } from './kernel.ts';

/** A host of a lab. */
export interface DaemonHost {
  readonly lab: string;
  readonly host: string;
}

const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

const BUS: ProcessSpec = {
  name: 'dbus',
  argv: ['/usr/bin/dbus-daemon', '--system', '--nofork', '--nopidfile'],
  env: ENVIRONMENT,
  ready: { unixSockets: ['/run/dbus/system_bus_socket'] },
};

// Where /sys can be written, both wait for what udevd says of a device; in a lab there is none.
const WITHOUT_UDEV = ['unshare', '--mount', 'sh', '-c', 'mount -o remount,ro,bind /sys && exec "$@"', 'sh'];

const NETWORK_MANAGER: ProcessSpec = {
  name: 'network-manager',
  argv: [...WITHOUT_UDEV, '/usr/sbin/NetworkManager', '--no-daemon'],
  env: ENVIRONMENT,
};

const NETWORKD: ProcessSpec = {
  name: 'networkd',
  argv: [...WITHOUT_UDEV, '/lib/systemd/systemd-networkd'],
  env: ENVIRONMENT,
};

// What a lab's host is not to do: resolve names, make profiles for what it finds, ask a policy daemon.
const NETWORK_MANAGER_CONF = `[main]
plugins=keyfile
dns=none
rc-manager=unmanaged
no-auto-default=*
auth-polkit=false
`;

const start = async (at: DaemonHost, spec: ProcessSpec): Promise<void> => {
  const signal = AbortSignal.timeout(20_000);
  try {
    await processAdd(at, spec, signal);
  } catch {
    await processStart({ ...at, process: spec.name }, signal);
  }
};

const stop = async (at: DaemonHost, spec: ProcessSpec): Promise<void> => {
  await processStop({ ...at, process: spec.name }, AbortSignal.timeout(20_000)).catch(() => undefined);
};

/** Starts the bus of a host, and its NetworkManager; resolves when it has done all that is to be done at a start. */
export const startNetworkManager = async (at: DaemonHost): Promise<void> => {
  await inPlace(at, ['mkdir', '-p', '/run/dbus', '/run/NetworkManager', '/etc/NetworkManager/conf.d']);
  await inPlace(at, ['mkdir', '-p', '-m', '700', '/etc/NetworkManager/system-connections']);
  await inPlace(at, [
    'sh',
    '-c',
    'printf %s "$1" > /etc/NetworkManager/NetworkManager.conf',
    'sh',
    NETWORK_MANAGER_CONF,
  ]);
  await inPlace(at, ['rm', '-f', '/run/dbus/system_bus_socket']);
  await start(at, BUS);
  await start(at, NETWORK_MANAGER);
  const isUp = async (): Promise<boolean> => {
    const { stdout } = await tryInPlace(at, ['nmcli', '-t', '-f', 'STARTUP', 'general']);
    return stdout.trim() === 'started';
  };
  await eventually('NetworkManager answers', isUp, 20_000);
};

/** Ends both. */
export const stopNetworkManager = async (at: DaemonHost): Promise<void> => {
  await stop(at, NETWORK_MANAGER);
  await stop(at, BUS);
};

/** Starts systemd-networkd, as it starts with a host. */
export const startNetworkd = async (at: DaemonHost): Promise<void> => {
  const folder = '/run/systemd/netif';
  await inPlace(at, ['mkdir', '-p', `${folder}/links`, `${folder}/leases`, `${folder}/lldp`]);
  await inPlace(at, ['chown', '-R', 'systemd-network:systemd-network', folder]);
  await start(at, NETWORKD);
};

/** Ends it. */
export const stopNetworkd = async (at: DaemonHost): Promise<void> => {
  await stop(at, NETWORKD);
};

/** Does to a device what udevd does when it comes up: there is none in a lab, but its rules for links can be had. */
export const udevLink = async (at: DaemonHost, device: string): Promise<void> => {
  await inPlace(at, ['udevadm', 'test-builtin', 'net_setup_link', `/sys/class/net/${device}`]);
};
