import {
  PicturePortKind,
  type HostPicture,
  type PictureBridge,
  type PictureInterface,
  type PictureNamespace,
  type PicturePort,
  type ServedObject,
} from '#proto/weft/agent/v1/explain.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import { printable } from './words.ts';

/** Who is at the inner side of a port. */
export interface Attachment {
  /** What is drawn once, however many of its devices are attached: a namespace; else the port. */
  readonly id: string;
  readonly title: string;
  readonly lines: readonly string[];
}

export interface FigurePort {
  readonly device: string;
  readonly foreign: boolean;
  /** Guests and namespaces are on the one side of a bridge, what leads away on the other. */
  readonly attachment: Attachment | undefined;
  /** Where it leads, line by line. */
  readonly outward: readonly string[];
  /** Of a patch or a pair between two bridges: the device at the other end. */
  readonly peer: string;
}

export interface FigureBridge {
  readonly name: string;
  readonly lines: readonly string[];
  readonly ports: readonly FigurePort[];
}

export interface FigureNamespace {
  readonly name: string;
  readonly title: string;
  /** Device, its addresses, and the device at the other end. */
  readonly devices: readonly (readonly [string, string, string])[];
  readonly lines: readonly string[];
}

/** A host as words at their places; how they are drawn is another matter. */
export interface Figure {
  readonly title: string;
  readonly bridges: readonly FigureBridge[];
  readonly namespaces: readonly FigureNamespace[];
  readonly interfaces: readonly (readonly [string, string])[];
}

const DRIVERS: Readonly<Partial<Record<Driver, string>>> = {
  [Driver.DRIVER_LINUXBRIDGE]: 'Linux bridges',
  [Driver.DRIVER_OVS]: 'Open vSwitch',
};

/** What is to be drawn of a host. */
export const figureOf = (picture: HostPicture): Figure => ({
  title: words([
    `host ${picture.host_id}`,
    picture.vtep_address === '' ? '' : `VTEP ${picture.vtep_address}`,
    DRIVERS[picture.driver] ?? '',
  ]),
  bridges: picture.bridges.map((bridge) => bridgeOf(bridge, picture.namespaces)),
  namespaces: picture.namespaces.map(namespaceOf),
  interfaces: picture.interfaces.map((each) => [
    printable(each.device_name),
    words([each.addresses.join(' '), ...each.uses]),
  ]),
});

const words = (parts: readonly string[]): string => printable(parts.filter((part) => part !== '').join(', '));

const calledOf = (object: ServedObject | undefined): string => {
  if (object === undefined) return '';
  const called = object.name === '' ? object.id : object.name;
  return object.kind === 'dhcp' ? `DHCP of network ${called}` : `${object.kind} ${called}`.trim();
};

/** More networks than these are counted. */
const NAMED = 4;

const bridgeOf = (bridge: PictureBridge, namespaces: readonly PictureNamespace[]): FigureBridge => {
  const { objects } = bridge;
  const serves = objects.length > NAMED ? [`${objects.length.toString()} networks`] : objects.map(calledOf);
  return {
    name: printable(bridge.name),
    lines: [
      words([
        bridge.open_vswitch ? 'Open vSwitch' : 'Linux bridge',
        bridge.mtu === 0 ? '' : `MTU ${bridge.mtu.toString()}`,
      ]),
      ...serves.map(printable),
      ...(bridge.foreign ? ["not weft's"] : []),
      ...bridge.addresses.map(printable),
    ],
    ports: bridge.ports.map((port) => portOf(port, namespaces)),
  };
};

const portOf = (port: PicturePort, namespaces: readonly PictureNamespace[]): FigurePort => {
  const device = printable(port.device_name);
  const isInside = port.kind === PicturePortKind.PICTURE_PORT_KIND_PAIR && port.peer_namespace !== '';
  return {
    device,
    foreign: port.foreign,
    attachment: isInside ? insideOf(port, namespaces) : guestOf(port),
    outward: outwardOf(port),
    peer: port.peer_namespace === '' ? printable(port.peer_device_name) : '',
  };
};

const guestOf = (port: PicturePort): Attachment | undefined => {
  if (port.kind !== PicturePortKind.PICTURE_PORT_KIND_GUEST) return undefined;
  const name = port.object?.kind === 'port' ? port.object.name : '';
  const [title = ''] = [port.machine_id, name, port.foreign ? "not weft's" : 'guest'].filter((each) => each !== '');
  return {
    id: port.device_name,
    title: printable(title),
    lines: [...(name === '' || name === title ? [] : [`port ${name}`]), port.mac_address, ...port.ip_addresses]
      .filter((line) => line !== '')
      .map(printable),
  };
};

const insideOf = (port: PicturePort, namespaces: readonly PictureNamespace[]): Attachment => {
  const namespace = namespaces.find(({ name }) => name === port.peer_namespace);
  const inside = namespace?.interfaces.find(({ device_name }) => device_name === port.peer_device_name);
  return {
    id: port.peer_namespace,
    title: calledOf(namespace?.object) || printable(port.peer_namespace),
    lines: [port.peer_device_name, ...(inside?.addresses ?? [])].map(printable),
  };
};

const outwardOf = (port: PicturePort): readonly string[] => {
  const vlan = port.vlan === 0 ? '' : `VLAN ${port.vlan.toString()}`;
  switch (port.kind) {
    case PicturePortKind.PICTURE_PORT_KIND_TUNNEL: {
      const vni = port.segmentation_id === 0 ? 'VXLAN' : `VNI ${port.segmentation_id.toString()}`;
      const remotes = port.remotes.map(({ vtep_address, host_id, segmentation_ids: vnis }) => {
        const networks =
          vnis.length === 0 ? '' : `VNI ${vnis.slice(0, NAMED).join(' ')}${vnis.length > NAMED ? ' …' : ''}`;
        return words([`${vtep_address}${host_id === '' ? '' : ` (${host_id})`}`, networks]);
      });
      return remotes.length === 0 ? [`${vni}, to nobody`] : [vni, ...remotes];
    }
    case PicturePortKind.PICTURE_PORT_KIND_PATCH:
      return [words([`patch to ${port.peer_device_name}`, vlan])];
    case PicturePortKind.PICTURE_PORT_KIND_INTERFACE:
      return [words([port.physical_network === '' ? 'interface' : `physical network ${port.physical_network}`, vlan])];
    case PicturePortKind.PICTURE_PORT_KIND_PAIR:
      return port.peer_namespace === '' ? [words([`pair with ${port.peer_device_name}`, vlan])] : [];
    case PicturePortKind.PICTURE_PORT_KIND_GUEST:
      return [];
    case PicturePortKind.PICTURE_PORT_KIND_UNSPECIFIED:
    case PicturePortKind.UNRECOGNIZED:
      return port.foreign ? [] : [vlan].filter((each) => each !== '');
  }
};

const namespaceOf = ({ name, foreign, object, interfaces, routes, processes }: PictureNamespace): FigureNamespace => ({
  name: printable(name),
  title: foreign ? "not weft's" : calledOf(object),
  devices: interfaces.map(deviceOf),
  lines: [
    ...routes.map((route) => `route ${route}`),
    ...processes.map((process) => `process ${processOf(process)}`),
  ].map(printable),
});

/** Id and program; flags are for those who ask what it is. */
const processOf = (process: string): string => {
  const words = process.split(' ');
  const flags = words.findIndex((word) => word.startsWith('-'));
  return words.slice(0, flags < 0 ? words.length : flags).join(' ');
};

const deviceOf = ({
  device_name,
  addresses,
  peer_device_name,
}: PictureInterface): readonly [string, string, string] => [
  printable(device_name),
  printable(addresses.join(' ')),
  printable(peer_device_name),
];
