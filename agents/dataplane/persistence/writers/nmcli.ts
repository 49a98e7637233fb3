import type { InterfaceAddress } from '../../overlay/model/interface-address.ts';
import type { Membership, PersistentDevice } from '../model/devices.ts';

/**
 * What a person would type to NetworkManager (nmcli(1)) for the same profiles, and to Open vSwitch for what NetworkManager has
 * no type for. The marks of weft are missing: nmcli takes no external_ids for a new profile.
 */
export const nmcliCommands = (devices: readonly PersistentDevice[]): readonly (readonly string[])[] =>
  devices.flatMap(commandsOf);

const add = (type: string, ...words: readonly string[]): readonly string[] => [
  'nmcli',
  'conn',
  'add',
  'type',
  type,
  ...words,
];

const commandsOf = (device: PersistentDevice): readonly (readonly string[])[] => {
  switch (device.kind) {
    case 'bridge':
      return [
        add(
          'bridge',
          'conn.interface',
          device.name,
          'bridge.stp',
          'no',
          ...addressing(device.addresses),
          ...mtu(device.mtu),
        ),
      ];
    case 'ovs-bridge':
      return [
        add(
          'ovs-bridge',
          'conn.interface',
          device.name,
          ...(device.isUserspace ? ['ovs-bridge.datapath-type', 'netdev'] : []),
        ),
        add('ovs-port', 'conn.interface', device.name, 'master', device.name),
        add(
          'ovs-interface',
          ...['slave-type', 'ovs-port', 'conn.interface', device.name, 'master', device.name],
          ...addressing(device.addresses),
          ...mtu(device.mtu),
        ),
      ];
    case 'vxlan':
      return inBridge('vxlan', device.name, device.master, [
        ...['id', device.vni.toString(), 'local', device.local, 'remote', device.remote],
        ...['destination-port', device.udpPort.toString()],
        ...mtu(device.mtu),
      ]);
    case 'ovs-tunnel':
      return [
        [
          ...['ovs-vsctl', 'add-port', device.bridge, device.name, '--', 'set', 'Interface', device.name, 'type=vxlan'],
          ...Object.entries(device.options).map(([key, value]) => `options:${key}=${value}`),
          ...(device.isProtected ? ['--', 'set', 'Port', device.name, 'protected=true'] : []),
        ],
      ];
    case 'veth': {
      const [one, other] = device.ends;
      return [[one, other.name] as const, [other, one.name] as const].flatMap(([end, peer]) =>
        inBridge('veth', end.name, end.master, [
          ...['peer', peer],
          ...mtu(device.mtu),
          ...(end.softwareChecksum ? ['ethtool.feature-tx-checksum-ip-generic', 'off'] : []),
        ]),
      );
    }
    case 'nic':
      return inBridge('ethernet', device.name, device.master, [
        ...['802-3-ethernet.mac-address', device.mac.toUpperCase()],
        ...mtu(device.mtu),
      ]);
  }
};

const inBridge = (
  type: string,
  name: string,
  into: Membership | undefined,
  own: readonly string[],
): readonly (readonly string[])[] => {
  if (into === undefined) return [add(type, 'conn.interface', name, ...own, ...addressing([]))];
  if (into.kind === 'linux') {
    return [add(type, 'slave-type', 'bridge', 'conn.interface', name, 'master', into.bridge, ...own)];
  }
  return [
    add('ovs-port', 'conn.interface', name, 'master', into.bridge),
    add(type, 'slave-type', 'ovs-port', 'conn.interface', name, 'master', name, ...own),
  ];
};

const mtu = (value: number | undefined): readonly string[] =>
  value === undefined ? [] : ['802-3-ethernet.mtu', value.toString()];

const addressing = (addresses: readonly InterfaceAddress[]): readonly string[] => {
  const words = (version: 4 | 6, otherwise: string): readonly string[] => {
    const own = addresses.filter(({ network }) => network.version === version).map(({ text }) => text);
    const family = `ipv${version.toString()}`;
    return own.length === 0
      ? [`${family}.method`, otherwise]
      : [`${family}.method`, 'manual', `${family}.address`, own.join(',')];
  };
  return [...words(4, 'disabled'), ...words(6, 'link-local')];
};
