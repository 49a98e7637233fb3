import { inPlace } from './kernel.ts';
import type { DaemonHost } from './host-daemons.ts';

const FOLDER = '/etc/sysconfig/network-scripts';

type Keys = ReadonlyMap<string, string>;

/**
 * Does what the network scripts do with their files when a host starts. Those scripts are in no package of Debian's: this is
 * a reading of ifup, ifup-eth (initscripts) and ifup-ovs (Open vSwitch' rhel/etc_sysconfig_network-scripts_ifup-ovs), of the
 * keys that they document, with the shell itself reading the files. It proves what the files say, not what the scripts do.
 */
export const ifcfgBoot = async (at: DaemonHost): Promise<void> => {
  const names = (await inPlace(at, ['ls', FOLDER])).split('\n').filter((name) => name.startsWith('ifcfg-'));
  const files = await Promise.all(names.map(async (name) => readKeys(at, `${FOLDER}/${name}`)));
  // ifup of a port has that of its bridge done first.
  for (const keys of files.filter(isBridge)) await bridgeUp(at, keys);
  for (const keys of files.filter((each) => !isBridge(each))) await portUp(at, keys);
};

const isBridge = (keys: Keys): boolean => keys.get('TYPE') === 'OVSBridge' || keys.get('TYPE') === 'Bridge';

/** All variables that a shell has after it has read the file, and had not before. */
const readKeys = async (at: DaemonHost, path: string): Promise<Keys> => {
  const script = 'set -a; . "$1"; env -0';
  const text = await inPlace(at, ['env', '-i', '/bin/sh', '-c', script, 'sh', path]);
  return new Map(
    text
      .split('\0')
      .filter((each) => each.includes('='))
      .map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
};

/** `-- $OVS_EXTRA`, unquoted, as ifup-ovs has it: its words are split at blanks. */
const extra = (keys: Keys): readonly string[] => {
  const words = keys.get('OVS_EXTRA');
  return words === undefined ? [] : ['--', ...words.split(' ')];
};

const bridgeUp = async (at: DaemonHost, keys: Keys): Promise<void> => {
  const device = keys.get('DEVICE') ?? '';
  if (keys.get('ONBOOT') !== 'yes') return;
  if (keys.get('TYPE') === 'OVSBridge')
    await inPlace(at, ['ovs-vsctl', '--may-exist', 'add-br', device, ...extra(keys)]);
  else await inPlace(at, ['ip', 'link', 'add', device, 'type', 'bridge', 'forward_delay', '0']);
  const mtu = keys.get('MTU');
  if (mtu !== undefined) await inPlace(at, ['ip', 'link', 'set', 'dev', device, 'mtu', mtu]);
  await inPlace(at, ['ip', 'link', 'set', 'dev', device, 'up']);
  const ip = keys.get('IPADDR');
  if (ip !== undefined) await inPlace(at, ['ip', 'addr', 'add', `${ip}/${keys.get('PREFIX') ?? ''}`, 'dev', device]);
};

const portUp = async (at: DaemonHost, keys: Keys): Promise<void> => {
  if (keys.get('TYPE') !== 'OVSTunnel' || keys.get('ONBOOT') !== 'yes')
    throw new Error(`not read: ${[...keys].join(' ')}`);
  const [device = '', bridge = ''] = [keys.get('DEVICE'), keys.get('OVS_BRIDGE')];
  const options = (keys.get('OVS_TUNNEL_OPTIONS') ?? '').split(' ');
  const type = `type=${keys.get('OVS_TUNNEL_TYPE') ?? ''}`;
  await inPlace(at, [
    ...['ovs-vsctl', '--may-exist', 'add-port', bridge, device],
    ...['--', 'set', 'Interface', device, type, ...options, ...extra(keys)],
  ]);
};
