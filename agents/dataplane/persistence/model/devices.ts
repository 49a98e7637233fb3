import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { DeviceName } from '#platform/net/names.ts';
import type { UdpPort } from '#platform/net/udp-port.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { InterfaceAddress } from '../../overlay/model/interface-address.ts';
import type { OverlayName } from '../../overlay/model/names.ts';

/** The bridge that a device is a port of. */
export interface Membership {
  readonly bridge: DeviceName;
  readonly kind: 'linux' | 'ovs';
}

/** A bridge of the kernel. */
export interface LinuxBridge {
  readonly kind: 'bridge';
  readonly name: DeviceName;
  readonly addresses: readonly InterfaceAddress[];
  readonly mtu?: number;
}

/**
 * A bridge of Open vSwitch with its local port. There is one name: bridge, port and interface bear it, as libvirt and
 * whoever else looks a bridge up by its device expects.
 */
export interface OvsBridgeDevice {
  readonly kind: 'ovs-bridge';
  readonly name: DeviceName;
  /** It has the userspace datapath, and not the kernel's. */
  readonly isUserspace: boolean;
  readonly addresses: readonly InterfaceAddress[];
  readonly mtu?: number;
}

/** A VXLAN device of the kernel that leads to one other host. */
export interface VxlanDevice {
  readonly kind: 'vxlan';
  readonly name: DeviceName;
  readonly vni: Vni;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  /** Always written: the kernel and NetworkManager take 8472 where nothing is said, Open vSwitch and networkd 4789. */
  readonly udpPort: UdpPort;
  readonly mtu?: number;
  readonly master?: Membership;
}

/** A VXLAN port of a bridge of Open vSwitch; no device of the kernel's. */
export interface OvsTunnel {
  readonly kind: 'ovs-tunnel';
  readonly name: DeviceName;
  readonly bridge: DeviceName;
  /** Of its interface, as the agent writes them: those with their default value are left out. */
  readonly options: Readonly<Record<string, string>>;
  /** Nothing passes between it and other protected ports. */
  readonly isProtected: boolean;
}

/** One end of a veth pair. */
export interface VethEnd {
  readonly name: DeviceName;
  readonly master?: Membership;
  /** Its checksums are filled in before a frame leaves it: the userspace datapath takes frames as they are. */
  readonly softwareChecksum: boolean;
}

/** A veth pair. */
export interface VethPair {
  readonly kind: 'veth';
  /** The agent makes it, and knows it by its marks; a device that bears them for no overlay's sake would be taken away. */
  readonly isMarked: boolean;
  readonly ends: readonly [VethEnd, VethEnd];
  readonly mtu?: number;
}

/** A physical interface in a bridge. */
export interface Nic {
  readonly kind: 'nic';
  readonly name: DeviceName;
  readonly mac: MacAddress;
  readonly master: Membership;
  readonly mtu?: number;
}

/** A device that is to be there after a reboot. */
export type PersistentDevice = LinuxBridge | OvsBridgeDevice | VxlanDevice | OvsTunnel | VethPair | Nic;

/** All that is to be there for one owner. */
export interface Persistent {
  /** The overlay, or the name of a set of devices: part of file names and of the marks in files. */
  readonly owner: OverlayName;
  /** The agent makes these devices itself, and knows them by its marks; the others are made by who reads the files. */
  readonly isOverlay: boolean;
  readonly devices: readonly PersistentDevice[];
}

/** The names of all network devices of it, in order. A tunnel of Open vSwitch is none. */
export const deviceNames = ({ devices }: Persistent): readonly DeviceName[] =>
  devices.flatMap((device) => {
    if (device.kind === 'veth') return device.ends.map(({ name }) => name);
    return device.kind === 'ovs-tunnel' ? [] : [device.name];
  });
