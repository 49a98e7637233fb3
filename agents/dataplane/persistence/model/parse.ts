import { invalidField } from '#platform/errors/domain-error.ts';
import { ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseUdpPort, VXLAN_PORT } from '#platform/net/udp-port.ts';
import { parseVni } from '#platform/net/vni.ts';
import { parseInterfaceAddress } from '../../overlay/model/interface-address.ts';
import { parseOverlayDevice } from '../../overlay/model/names.ts';
import type { LinuxBridge, Membership, Nic, PersistentDevice, VethPair, VxlanDevice } from './devices.ts';

/** A set of devices as it travels and as it is kept: weft.agent.v1.DeviceSet. */
export interface DeviceSetText {
  readonly bridges: readonly { readonly name: string; readonly addresses: readonly string[]; readonly mtu: number }[];
  readonly vxlans: readonly {
    readonly name: string;
    readonly vni: number;
    readonly local_address: string;
    readonly remote_address: string;
    readonly udp_port: number;
    readonly mtu: number;
    readonly bridge_name: string;
  }[];
  readonly veths: readonly {
    readonly name: string;
    readonly peer_name: string;
    readonly mtu: number;
    readonly bridge_name: string;
    readonly peer_bridge_name: string;
  }[];
  readonly nics: readonly {
    readonly name: string;
    readonly mac_address: string;
    readonly mtu: number;
    readonly bridge_name: string;
  }[];
}

/** What there is beside what is parsed, to know a bridge's kind by its name. */
export interface Surroundings {
  /** The bridges of Open vSwitch that names may lead to: the overlay's. */
  readonly ovsBridges: ReadonlySet<string>;
}

/** Reads devices by themselves, without a look at the host. Throws `invalid` for the first field that breaks a rule. */
export const parseDevices = (text: DeviceSetText, { ovsBridges }: Surroundings): readonly PersistentDevice[] => {
  const master = (field: string, name: string): Membership | undefined =>
    name === '' ? undefined : { bridge: parseOverlayDevice(field, name), kind: ovsBridges.has(name) ? 'ovs' : 'linux' };
  const at = (list: string, index: number): string => `devices.${list}[${index.toString()}]`;
  const bridges = text.bridges.map((each, index): LinuxBridge => {
    const field = at('bridges', index);
    return {
      kind: 'bridge',
      name: parseOverlayDevice(`${field}.name`, each.name),
      addresses: each.addresses.map((address, n) =>
        parseInterfaceAddress(`${field}.addresses[${n.toString()}]`, address),
      ),
      ...mtuOf(field, each.mtu),
    };
  });
  const vxlans = text.vxlans.map((each, index): VxlanDevice => {
    const field = at('vxlans', index);
    const local = parseUnicastIp(`${field}.local_address`, each.local_address);
    const remote = parseUnicastIp(`${field}.remote_address`, each.remote_address);
    if (ipVersion(local) !== ipVersion(remote)) {
      throw invalidField(`${field}.remote_address`, remote, `is not of the address family of local_address ${local}`);
    }
    if (local === remote) throw invalidField(`${field}.remote_address`, remote, 'is local_address as well');
    const into = master(`${field}.bridge_name`, each.bridge_name);
    if (into?.kind === 'ovs') {
      throw invalidField(
        `${field}.bridge_name`,
        into.bridge,
        "is a bridge of Open vSwitch: its tunnels are the overlay's peers",
      );
    }
    return {
      kind: 'vxlan',
      name: parseOverlayDevice(`${field}.name`, each.name),
      vni: parseVni(`${field}.vni`, each.vni),
      local,
      remote,
      udpPort: each.udp_port === 0 ? VXLAN_PORT : parseUdpPort(`${field}.udp_port`, each.udp_port),
      ...mtuOf(field, each.mtu),
      ...(into !== undefined && { master: into }),
    };
  });
  const veths = text.veths.map((each, index): VethPair => {
    const field = at('veths', index);
    const [first, second] = [
      master(`${field}.bridge_name`, each.bridge_name),
      master(`${field}.peer_bridge_name`, each.peer_bridge_name),
    ];
    return {
      kind: 'veth',
      isMarked: false,
      ends: [
        {
          name: parseOverlayDevice(`${field}.name`, each.name),
          softwareChecksum: false,
          ...(first !== undefined && { master: first }),
        },
        {
          name: parseOverlayDevice(`${field}.peer_name`, each.peer_name),
          softwareChecksum: false,
          ...(second !== undefined && { master: second }),
        },
      ],
      ...mtuOf(field, each.mtu),
    };
  });
  const nics = text.nics.map((each, index): Nic => {
    const field = at('nics', index);
    const into = master(`${field}.bridge_name`, each.bridge_name);
    if (into === undefined) throw invalidField(`${field}.bridge_name`, each.bridge_name, 'is missing');
    return {
      kind: 'nic',
      name: parseOverlayDevice(`${field}.name`, each.name),
      mac: parseMac(`${field}.mac_address`, each.mac_address),
      master: into,
      ...mtuOf(field, each.mtu),
    };
  });
  const devices = [...bridges, ...vxlans, ...veths, ...nics];
  refuseTwice(devices);
  return devices;
};

const mtuOf = (field: string, mtu: number): { readonly mtu?: number } =>
  mtu === 0 ? {} : { mtu: parseMtu(`${field}.mtu`, mtu) };

/** Throws `invalid` for a name that two devices have: the second would take the place of the first. */
export const refuseTwice = (devices: readonly PersistentDevice[]): void => {
  const seen = new Set<string>();
  for (const device of devices) {
    const names = device.kind === 'veth' ? device.ends.map(({ name }) => name) : [device.name];
    for (const name of names) {
      if (seen.has(name)) throw invalidField('devices', name, 'is the name of two devices');
      seen.add(name);
    }
  }
};
