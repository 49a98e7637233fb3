import { OVERLAY_ID } from '../../overlay/model/names.ts';
import type { InterfaceAddress } from '../../overlay/model/interface-address.ts';
import type { Membership, Persistent, PersistentDevice } from '../model/devices.ts';
import { headerOf } from './header.ts';
import { readIni, renderIni } from './ini.ts';
import type { Section } from './ini.ts';
import { nmcliCommands } from './nmcli.ts';
import { uuidOf } from './uuid.ts';
import type { ConfigText, LeftOut, PersistenceWriter, Setting } from './writer.ts';

const DIRECTORY = '/etc/NetworkManager/system-connections';

/** A connection profile of NetworkManager (nm-settings-keyfile(5)). */
export interface Profile {
  readonly type: string;
  readonly device: string;
  readonly uuid: string;
  readonly path: string;
  readonly text: string;
}

/**
 * NetworkManager's keyfiles, root's alone: it refuses others. A bridge of Open vSwitch is three profiles of one name.
 * Tunnels of Open vSwitch it has no type for: those stay in Open vSwitch' own database, across reboots too.
 */
export const networkManager: PersistenceWriter = {
  format: 'networkmanager',
  directory: DIRECTORY,
  render: (persistent) => ({
    files: profilesOf(persistent).map(({ path, text }): ConfigText => ({ path, text, mode: 0o600 })),
    commands: nmcliCommands(persistent.devices),
    leftOut: persistent.devices.flatMap((device): readonly LeftOut[] =>
      device.kind === 'ovs-tunnel'
        ? [
            {
              device: device.name,
              reason: "NetworkManager has no tunnels of Open vSwitch: it stays in Open vSwitch' own database",
            },
          ]
        : [],
    ),
  }),
  reads: (name) => !name.startsWith('.') && !name.endsWith('~'),
  readBack: (text) => readIni(text).filter((setting) => !isAddedByTools(setting)),
  devicesOf: (_, text) =>
    readIni(text).flatMap(({ section, key, value }) => {
      if (section === 'connection' && key === 'interface-name') return [value];
      return /^(?:802-3-)?ethernet$/.test(section) && key === 'mac-address' ? [value.toLowerCase()] : [];
    }),
};

/** What NetworkManager writes by itself when somebody has it change a profile; `auto` is what it does where nothing is said. */
const isAddedByTools = ({ section, key, value }: Setting): boolean =>
  key === 'timestamp' || key === 'addr-gen-mode' || (/^ipv[46]$/.test(section) && key === 'method' && value === 'auto');

/** All profiles of an owner, a bridge before its ports. */
export const profilesOf = (persistent: Persistent): readonly Profile[] =>
  persistent.devices.flatMap((device) => profilesOfDevice(persistent, device));

const profilesOfDevice = (persistent: Persistent, device: PersistentDevice): readonly Profile[] => {
  const profile = (type: string, name: string, master: Master | undefined, sections: readonly Section[]): Profile =>
    makeProfile(persistent, type, name, master, sections);
  const marks: readonly Section[] = persistent.isOverlay
    ? [['ovs-external-ids', { [`data.${OVERLAY_ID}`]: persistent.owner }]]
    : [];
  /** A device in a bridge of Open vSwitch is in a port of its name, which is in the bridge. */
  const inBridge = (
    type: string,
    name: string,
    into: Membership | undefined,
    own: readonly Section[],
    portMarks: readonly Section[] = [],
  ): Profile[] => {
    if (into?.kind !== 'ovs') {
      return [profile(type, name, into && { name: into.bridge, type: 'bridge' }, [...own, ...addressing(into, [])])];
    }
    return [
      profile('ovs-port', name, { name: into.bridge, type: 'ovs-bridge' }, [['ovs-port', {}], ...portMarks]),
      profile(type, name, { name, type: 'ovs-port' }, [...own, ['ovs-interface', { type: 'system' }]]),
    ];
  };
  switch (device.kind) {
    case 'bridge':
      return [
        profile('bridge', device.name, undefined, [
          ...ethernet(device.mtu),
          ['bridge', { stp: 'false' }],
          ...addressing(undefined, device.addresses),
        ]),
      ];
    case 'ovs-bridge':
      return [
        profile('ovs-bridge', device.name, undefined, [
          ['ovs-bridge', device.isUserspace ? { 'datapath-type': 'netdev' } : {}],
          ...marks,
        ]),
        profile('ovs-port', device.name, { name: device.name, type: 'ovs-bridge' }, [['ovs-port', {}]]),
        profile('ovs-interface', device.name, { name: device.name, type: 'ovs-port' }, [
          ...ethernet(device.mtu),
          ['ovs-interface', { type: 'internal' }],
          ...addressing(undefined, device.addresses),
        ]),
      ];
    case 'vxlan':
      return inBridge('vxlan', device.name, device.master, [
        ...ethernet(device.mtu),
        [
          'vxlan',
          {
            'destination-port': device.udpPort.toString(),
            id: device.vni.toString(),
            local: device.local,
            remote: device.remote,
          },
        ],
      ]);
    case 'ovs-tunnel':
      return [];
    case 'veth': {
      const [one, other] = device.ends;
      return [[one, other.name] as const, [other, one.name] as const].flatMap(([end, peer]) =>
        inBridge(
          'veth',
          end.name,
          end.master,
          [
            ...ethernet(device.mtu),
            ['veth', { peer }],
            ...(end.softwareChecksum ? ([['ethtool', { 'feature-tx-checksum-ip-generic': 'false' }]] as const) : []),
          ],
          device.isMarked ? marks : [],
        ),
      );
    }
    case 'nic':
      return inBridge('ethernet', device.name, device.master, [
        ['ethernet', { 'mac-address': device.mac.toUpperCase(), mtu: device.mtu?.toString() }],
      ]);
  }
};

interface Master {
  readonly name: string;
  readonly type: 'bridge' | 'ovs-bridge' | 'ovs-port';
}

const makeProfile = (
  { owner }: Persistent,
  type: string,
  device: string,
  master: Master | undefined,
  sections: readonly Section[],
): Profile => {
  const id = `weft-${owner}-${type}-${device}`;
  const uuid = uuidOf(`${owner}/${type}/${device}`);
  const text = renderIni(headerOf(owner), [
    ['connection', { id, uuid, type, 'interface-name': device, master: master?.name, 'slave-type': master?.type }],
    ['user', { 'weft.owner': owner }],
    ...sections,
  ]);
  return { type, device, uuid, path: `${DIRECTORY}/${id}.nmconnection`, text };
};

const ethernet = (mtu: number | undefined): readonly Section[] =>
  mtu === undefined ? [] : [['ethernet', { mtu: mtu.toString() }]];

/** A port has none; any other has its IPv6 link-local address as the kernel gives it, and nothing learnt from routers. */
const addressing = (into: Membership | undefined, addresses: readonly InterfaceAddress[]): readonly Section[] => {
  if (into !== undefined) return [];
  const section = (version: 4 | 6, otherwise: string): Section => {
    const own = addresses.filter(({ network }) => network.version === version).map(({ text }) => text);
    const numbered = own.map((text, at) => [`address${(at + 1).toString()}`, text]);
    return [
      `ipv${version.toString()}`,
      { ...(Object.fromEntries(numbered) as Record<string, string>), method: own.length > 0 ? 'manual' : otherwise },
    ];
  };
  return [section(4, 'disabled'), section(6, 'link-local')];
};
