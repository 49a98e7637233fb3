import type { InterfaceAddress } from '../../overlay/model/interface-address.ts';
import type { Membership, Persistent, PersistentDevice } from '../model/devices.ts';
import { headerOf } from './header.ts';
import { readIni, renderIni } from './ini.ts';
import type { Section } from './ini.ts';
import type { ConfigText, LeftOut, PersistenceWriter } from './writer.ts';

/** Where systemd-networkd and udev read. */
export const SYSTEMD_NETWORK = '/etc/systemd/network';

/**
 * Units of systemd-networkd (systemd.netdev(5), systemd.network(5)). It knows nothing of Open vSwitch: bridges and tunnels
 * stay in Open vSwitch' own database, their devices get addresses and MTU here, and keep the bridge they are in.
 */
export const networkd: PersistenceWriter = {
  format: 'networkd',
  directory: SYSTEMD_NETWORK,
  render: (persistent) => {
    const own = new Set(persistent.devices.flatMap((each) => (each.kind === 'bridge' ? [each.name] : [])));
    return {
      files: once(persistent.devices.flatMap((device) => filesOf(persistent, device, own))),
      commands: [['networkctl', 'reload']],
      leftOut: persistent.devices.flatMap(leftOutOf),
    };
  },
  reads: (name) => /\.(?:netdev|network|link)$/.test(name) && !name.startsWith('.'),
  readBack: readIni,
  devicesOf: (_, text) => {
    const settings = readIni(text);
    if (settings.some(({ key, value }) => key === 'Description' && value === OF_OTHERS)) return [];
    return settings.flatMap(({ section, key, value }) => {
      if ((section === 'NetDev' || section === 'Peer') && key === 'Name') return [value];
      if (section !== 'Match') return [];
      if (key === 'Name' || key === 'OriginalName') return value.split(/\s+/).filter((name) => !/[*?[!]/.test(name));
      return key === 'MACAddress' || key === 'PermanentMACAddress' ? value.toLowerCase().split(/\s+/) : [];
    });
  },
};

/** Stands in the unit of a bridge that others keep, and that networkd has to know to put devices into it. */
const OF_OTHERS = 'kept by others';

/** Two devices may be in one bridge of others: its unit is the same. */
const once = (files: readonly ConfigText[]): readonly ConfigText[] => [
  ...new Map(files.map((file) => [file.path, file])).values(),
];

// Before what distributions and people put there: of several that match, the first counts.
const fileOf = ({ owner }: Persistent, device: string, suffix: string, sections: readonly Section[]): ConfigText => ({
  path: `${SYSTEMD_NETWORK}/05-weft-${owner}-${device}.${suffix}`,
  mode: 0o644,
  text: renderIni(headerOf(owner), sections),
});

const filesOf = (
  persistent: Persistent,
  device: PersistentDevice,
  ownBridges: ReadonlySet<string>,
): readonly ConfigText[] => {
  const file = (name: string, suffix: string, sections: readonly Section[]): ConfigText =>
    fileOf(persistent, name, suffix, sections);
  const mtu = 'mtu' in device ? device.mtu?.toString() : undefined;
  const network = (name: string, into: Membership | undefined, addresses: readonly InterfaceAddress[]): ConfigText =>
    file(name, 'network', networkOf([['Match', { Name: name }]], mtu, into, addresses));
  /** networkd puts devices into bridges that it has a unit of; one that is there already it takes as it is. */
  const bridgeOf = (into: Membership | undefined): readonly ConfigText[] =>
    into?.kind === 'linux' && !ownBridges.has(into.bridge)
      ? [file(into.bridge, 'netdev', [['NetDev', { Description: OF_OTHERS, Name: into.bridge, Kind: 'bridge' }]])]
      : [];
  switch (device.kind) {
    case 'bridge':
      return [
        file(device.name, 'netdev', [['NetDev', { Name: device.name, Kind: 'bridge', MTUBytes: mtu }]]),
        network(device.name, undefined, device.addresses),
      ];
    case 'ovs-bridge':
      return [network(device.name, { kind: 'ovs', bridge: device.name }, device.addresses)];
    case 'vxlan':
      return [
        file(device.name, 'netdev', [
          ['NetDev', { Name: device.name, Kind: 'vxlan', MTUBytes: mtu }],
          [
            'VXLAN',
            {
              VNI: device.vni.toString(),
              Local: device.local,
              Remote: device.remote,
              DestinationPort: device.udpPort.toString(),
              // As the kernel does where nothing is said.
              UDPChecksum: 'yes',
              Independent: 'yes',
            },
          ],
        ]),
        network(device.name, device.master, []),
        ...bridgeOf(device.master),
      ];
    case 'ovs-tunnel':
      return [];
    case 'veth': {
      const [one, other] = device.ends;
      return [
        file(one.name, 'netdev', [
          ['NetDev', { Name: one.name, Kind: 'veth', MTUBytes: mtu }],
          ['Peer', { Name: other.name }],
        ]),
        ...device.ends.flatMap((end) => [network(end.name, end.master, []), ...bridgeOf(end.master)]),
      ];
    }
    case 'nic':
      return device.master.kind === 'ovs'
        ? []
        : [
            file(
              device.name,
              'network',
              networkOf([['Match', { PermanentMACAddress: device.mac }]], mtu, device.master, []),
            ),
            ...bridgeOf(device.master),
          ];
  }
};

const networkOf = (
  match: readonly Section[],
  mtu: string | undefined,
  into: Membership | undefined,
  addresses: readonly InterfaceAddress[],
): readonly Section[] => [
  ...match,
  ...(mtu === undefined ? [] : ([['Link', { MTUBytes: mtu }]] as const)),
  [
    'Network',
    {
      Address: addresses.map(({ text }) => text),
      LinkLocalAddressing: into === undefined || addresses.length > 0 ? 'ipv6' : 'no',
      IPv6AcceptRA: 'no',
      ConfigureWithoutCarrier: 'yes',
      ...(into?.kind === 'linux' && { Bridge: into.bridge }),
      // What bridge of Open vSwitch it is in is not for networkd to say.
      ...(into?.kind === 'ovs' && { KeepMaster: 'yes' }),
    },
  ],
];

const leftOutOf = (device: PersistentDevice): readonly LeftOut[] => {
  if (device.kind === 'ovs-bridge' || device.kind === 'ovs-tunnel') {
    const rest = device.kind === 'ovs-bridge' ? '; addresses and MTU of its device are written' : '';
    return [
      {
        device: device.name,
        reason: `systemd-networkd knows no Open vSwitch: it stays in Open vSwitch' own database${rest}`,
      },
    ];
  }
  return device.kind === 'nic' && device.master.kind === 'ovs'
    ? [{ device: device.name, reason: 'systemd-networkd cannot put a device into a bridge of Open vSwitch' }]
    : [];
};
