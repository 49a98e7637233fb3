import { OVERLAY_ID } from '../../overlay/model/names.ts';
import type { InterfaceAddress } from '../../overlay/model/interface-address.ts';
import type { Membership, Nic, OvsBridgeDevice, OvsTunnel, Persistent, PersistentDevice } from '../model/devices.ts';
import { headerOf } from './header.ts';
import { plain } from './ini.ts';
import { uuidOf } from './uuid.ts';
import type { LeftOut, PersistenceWriter, Setting } from './writer.ts';

const DIRECTORY = '/etc/sysconfig/network-scripts';

/** Keys in order. A value in quotes is written with them, as the distribution's installer writes it; undefined: left out. */
type Lines = Readonly<Record<string, string | undefined>>;

/**
 * Files of the legacy network scripts (sysconfig.txt of initscripts, README.RHEL.rst of Open vSwitch). They know neither veth
 * pairs nor VXLAN devices of the kernel.
 */
export const ifcfg: PersistenceWriter = {
  format: 'ifcfg',
  directory: DIRECTORY,
  render: (persistent) => {
    const rendered = persistent.devices.map((device) => renderDevice(persistent, device));
    return {
      files: rendered.flatMap((each) =>
        'reason' in each
          ? []
          : [
              {
                path: `${DIRECTORY}/ifcfg-${each.device}`,
                mode: 0o644,
                text: `${headerOf(persistent.owner)}${each.lines}`,
              },
            ],
      ),
      commands: rendered.flatMap((each) => ('reason' in each ? [] : [['ifup', each.device]])),
      leftOut: rendered.filter((each): each is LeftOut => 'reason' in each),
    };
  },
  // As the scripts themselves choose (init.d/network): no backups of editors and packages.
  reads: (name) => /^ifcfg-[^~]+$/.test(name) && !/\.(?:bak|orig|rpmnew|rpmorig|rpmsave)$/.test(name),
  readBack: readAssignments,
  devicesOf: (name, text) => {
    const settings = readAssignments(text);
    const named = settings.filter(({ key }) => key === 'DEVICE').map(({ value }) => value);
    const macs = settings.filter(({ key }) => key === 'HWADDR').map(({ value }) => value.toLowerCase());
    // With neither, the scripts go by the file's name.
    return [...(named.length > 0 ? named : [name.replace(/^ifcfg-/, '')]), ...macs];
  },
};

/** `KEY=value` as a shell reads it; what is more than an assignment of one word is taken as it stands. */
function readAssignments(text: string): readonly Setting[] {
  return text.split('\n').flatMap((raw): readonly Setting[] => {
    const [, key, bare, , single, double] =
      /^\s*(?:export\s+)?([A-Za-z_]\w*)=(([^\s"'#]*)|'([^']*)'|"([^"]*)")\s*(?:#.*)?$/.exec(raw) ?? [];
    return key === undefined ? [] : [{ section: '', key, value: single ?? double ?? bare ?? '' }];
  });
}

const renderDevice = (
  persistent: Persistent,
  device: PersistentDevice,
): LeftOut | { readonly device: string; readonly lines: string } => {
  switch (device.kind) {
    case 'bridge':
      return {
        device: device.name,
        lines: assignments({
          ...{ DEVICE: device.name, ONBOOT: 'yes', TYPE: 'Bridge', BOOTPROTO: 'static' },
          ...ipv6Of(device.addresses),
          ...{ DELAY: '0', STP: 'off' },
          ...ipv4Of(device.addresses),
          ...{ MTU: device.mtu?.toString(), NM_CONTROLLED: 'no' },
        }),
      };
    case 'ovs-bridge':
      return { device: device.name, lines: ovsBridge(persistent, device) };
    case 'ovs-tunnel':
      return { device: device.name, lines: ovsTunnel(persistent, device) };
    case 'nic':
      return { device: device.name, lines: nic(persistent, device) };
    case 'veth':
      return {
        device: device.ends.map(({ name }) => name).join('/'),
        reason: 'the network scripts have no veth pairs: the agent makes it when it starts',
      };
    case 'vxlan':
      return { device: device.name, reason: 'the network scripts have no VXLAN devices of the kernel' };
  }
};

const ovsBridge = (persistent: Persistent, { name, isUserspace, addresses, mtu }: OvsBridgeDevice): string =>
  assignments({
    ...{ DEVICE: name, ONBOOT: 'yes', DEVICETYPE: 'ovs', TYPE: 'OVSBridge', BOOTPROTO: 'static' },
    ...ipv6Of(addresses),
    DELAY: '0',
    ...ipv4Of(addresses),
    HOTPLUG: 'no',
    ...(mtu === undefined ? {} : { MTU: mtu.toString() }),
    OVS_EXTRA: extra([
      ...(isUserspace ? [`set Bridge ${name} datapath_type=netdev`] : []),
      ...(persistent.isOverlay ? [`set Bridge ${name} external_ids:${OVERLAY_ID}=${persistent.owner}`] : []),
      ...(mtu === undefined ? [] : [`set Interface ${name} mtu_request=${mtu.toString()}`]),
    ]),
  });

const ovsTunnel = (persistent: Persistent, { name, bridge, options, isProtected }: OvsTunnel): string =>
  assignments({
    ...{
      DEVICE: name,
      ONBOOT: 'yes',
      DEVICETYPE: 'ovs',
      TYPE: 'OVSTunnel',
      OVS_BRIDGE: bridge,
      OVS_TUNNEL_TYPE: 'vxlan',
    },
    OVS_TUNNEL_OPTIONS: `"${Object.entries(options)
      .map(([key, value]) => `options:${key}=${value}`)
      .join(' ')}"`,
    OVS_EXTRA: extra([
      ...(persistent.isOverlay ? [`set Port ${name} external_ids:${OVERLAY_ID}=${persistent.owner}`] : []),
      ...(isProtected ? [`set Port ${name} protected=true`] : []),
    ]),
  });

/** By its address and not by its name: the kernel may give another one after a reboot. */
const nic = (persistent: Persistent, { name, mac, master, mtu }: Nic): string =>
  assignments({
    HWADDR: quoted(mac.toUpperCase()),
    ...membership(master),
    ...{ BOOTPROTO: quoted('none'), NAME: quoted(name) },
    UUID: quoted(uuidOf(`${persistent.owner}/nic/${name}`)),
    ...{ ONBOOT: quoted('yes'), NM_CONTROLLED: quoted('no') },
    ...(mtu === undefined ? {} : { MTU: quoted(mtu.toString()) }),
  });

const membership = ({ kind, bridge }: Membership): Lines =>
  kind === 'ovs'
    ? { TYPE: quoted('OVSPort'), DEVICETYPE: quoted('ovs'), OVS_BRIDGE: quoted(bridge) }
    : { TYPE: quoted('Ethernet'), BRIDGE: quoted(bridge) };

const quoted = (text: string): string => `"${text}"`;

/** Commands of ovs-vsctl, which run in the transaction that makes the object. */
const extra = (commands: readonly string[]): string | undefined =>
  commands.length === 0 ? undefined : quoted(commands.join(' -- '));

/** The first address has keys without a number, as everywhere. */
const ipv4Of = (addresses: readonly InterfaceAddress[]): Lines => {
  const own = addresses.filter(({ network }) => network.version === 4).map(({ text }) => text.split('/'));
  return Object.fromEntries(
    own.flatMap(([ip, length], at) => {
      const number = at === 0 ? '' : at.toString();
      return [
        [`IPADDR${number}`, ip],
        [`PREFIX${number}`, length],
      ];
    }),
  );
};

const ipv6Of = (addresses: readonly InterfaceAddress[]): Lines => {
  const [first, ...more] = addresses.filter(({ network }) => network.version === 6).map(({ text }) => text);
  if (first === undefined) return { IPV6INIT: 'no' };
  return {
    ...{ IPV6INIT: 'yes', IPV6_AUTOCONF: 'no', IPV6ADDR: first },
    ...(more.length > 0 && { IPV6ADDR_SECONDARIES: quoted(more.join(' ')) }),
  };
};

const assignments = (lines: Lines): string =>
  Object.entries(lines)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${checked(key, value)}\n`]))
    .join('');

/** Scripts read the file as a shell does: a value is one plain word, or plain words in quotes. */
const checked = (key: string, value: string): string => {
  const inner = value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : undefined;
  plain(key, inner ?? value);
  if (inner === undefined && value.includes(' ')) throw new TypeError(`${key} needs quotes`);
  return value;
};
