import { eventually } from '#platform/testing/eventually.ts';
import { processAdd } from '../../cli/lab/index.ts';
import { inPlace, tryInPlace } from './kernel.ts';

/** A host of a lab. */
interface LabHostRef {
  readonly lab: string;
  readonly host: string;
}

const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Gives a host of a lab a folder of /etc of its own, as it is on this machine; it goes with the host. */
export const ownFolder = async (at: LabHostRef, folder: string): Promise<void> => {
  const own = `/run/own${folder}`;
  await inPlace(at, ['mkdir', '-p', own]);
  await inPlace(at, ['cp', '-a', `${folder}/.`, own]);
  await inPlace(at, ['mount', '--bind', own, folder]);
};

/** Starts the message bus of a host; it ends with the lab. */
export const startBus = async (at: LabHostRef): Promise<void> => {
  await inPlace(at, ['mkdir', '-p', '/run/dbus']);
  const argv = ['/usr/bin/dbus-daemon', '--system', '--nofork', '--nopidfile'];
  const ready = { unixSockets: ['/run/dbus/system_bus_socket'] };
  await processAdd({ ...at }, { name: 'dbus', argv, env, ready }, AbortSignal.timeout(20_000));
};

/** Starts firewalld on a host that has a bus, with settings of its own; resolves when it filters. It ends with the lab. */
export const startFirewalld = async (at: LabHostRef): Promise<void> => {
  await ownFolder(at, '/etc/firewalld');
  const argv = ['/usr/sbin/firewalld', '--nofork', '--nopid'];
  await processAdd({ ...at }, { name: 'firewalld', argv, env }, AbortSignal.timeout(20_000));
  const isUp = async (): Promise<boolean> => (await tryInPlace(at, ['firewall-cmd', '--state'])).exitCode === 0;
  await eventually('firewalld answers', isUp, 30_000);
};
