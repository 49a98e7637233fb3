import { nameOf, phraseOf, type ObjectNames } from './host-facts.ts';
import type { HostDevice, SwitchBridge, SwitchPort } from './host-look.ts';
import type { HostMap } from './host-map.ts';
import { objectOfIds } from './marks.ts';
import type { ObjectRef } from './thing.ts';

/** A sentence about something on the host, and whether it is weft's. */
export interface Description {
  readonly text: string;
  readonly isOurs: boolean;
  readonly object?: ObjectRef | undefined;
}

/** What a device of the kernel is. */
export const describeDevice = (map: HostMap, device: HostDevice): Description => {
  const object = map.objectOf(device);
  const physical = map.facts.physicalNetworks.get(device.name);
  if (object === undefined) return { text: foreignDevice(map, device, physical), isOurs: false };
  const { names } = map;
  switch (object.kind) {
    case 'port':
      return { text: portDevice(map, device, object.id), isOurs: true, object: map.servedBy(object.id) };
    case 'dhcp':
    case 'router':
      return { text: insideDevice(map, device, object), isOurs: true, object };
    case 'network':
      return { text: networkDevice(map, device, object), isOurs: true, object };
    case 'overlay':
      return { text: `${kindText(device)} of overlay ${object.id}${inBridge(map, device)}`, isOurs: true, object };
    case 'host':
      return { text: `${kindText(device)} of Open vSwitch for ${phraseOf(object, names)}`, isOurs: true, object };
  }
};

const networkDevice = (map: HostMap, device: HostDevice, object: ObjectRef): string => {
  const network = phraseOf(object, map.names);
  const { vxlan } = device;
  if (vxlan === undefined) return `${kindText(device)} of ${network}${inBridge(map, device)}`;
  const from = vxlan.local === undefined ? '' : ` from ${vxlan.local}`;
  return `VXLAN device of ${network}: VNI ${vxlan.vni.toString()}${from}${inBridge(map, device)}`;
};

/** What is at an end of a pair that leads into a namespace: the server, or the side of the router. */
const roleOf = (inside: string, object: ObjectRef, names: ObjectNames): string => {
  if (object.kind === 'dhcp') return `the DHCP server of network ${nameOf(object, names) || object.id}`;
  const router = phraseOf(object, names);
  if (inside.startsWith('qg-')) return `the gateway of ${router}`;
  return inside.startsWith('qr-') ? `an interface of ${router}` : `part of ${router}`;
};

const portDevice = (map: HostMap, device: HostDevice, portId: string): string => {
  const { names, facts } = map;
  const peer = map.peerOf(device);
  const served = map.servedBy(portId);
  const inside = peer === undefined || peer.namespace === '' ? undefined : map.objectOf(peer);
  if (peer !== undefined && inside !== undefined) {
    const role = roleOf(peer.name, inside, names);
    return `host end of the veth whose other end ${peer.name} is ${role}${inBridge(map, device)}`;
  }
  if (served.kind !== 'port') return `host end of a veth of ${phraseOf(served, names)}${inBridge(map, device)}`;
  const known = names.ports.get(portId);
  const plugged = facts.ports.find((each) => each.portId === portId);
  const about = [
    ...(known === undefined || known.deviceId === '' ? [] : [`guest ${known.deviceId}`]),
    ...[plugged?.mac ?? known?.mac ?? ''],
    ...(plugged?.ips ?? known?.ips ?? []),
  ].filter((word) => word !== '');
  const more = about.length === 0 ? '' : ` (${about.join(', ')})`;
  return `device of ${phraseOf(served, names)}${more}, made by somebody else and plugged by weft${inBridge(map, device)}`;
};

const insideDevice = (map: HostMap, device: HostDevice, object: ObjectRef): string => {
  if (device.name === 'lo') return `loopback of ${phraseOf(object, map.names)}`;
  const peer = map.peerOf(device);
  const role = roleOf(device.name, object, map.names);
  const addresses = device.addresses.length === 0 ? '' : ` with ${device.addresses.join(', ')}`;
  const way = peer === undefined ? '' : `; its other end is ${peer.name}${inBridge(map, peer)}`;
  return `${role}${addresses}${way}`;
};

const inBridge = (map: HostMap, device: HostDevice): string => {
  const bridge = map.bridgeOf(device);
  return bridge === undefined ? '' : `, in bridge ${bridge}`;
};

const KINDS: Readonly<Record<string, string>> = {
  bridge: 'bridge',
  vxlan: 'VXLAN device',
  veth: 'end of a veth pair',
  tun: 'tap of a program',
  vlan: 'VLAN interface',
  openvswitch: 'device of Open vSwitch',
  dummy: 'dummy device',
};

const kindText = ({ kind, vlan }: HostDevice): string => {
  if (kind === undefined) return 'interface';
  return `${KINDS[kind] ?? kind}${vlan === undefined ? '' : ` ${vlan.toString()}`}`;
};

/** Names that others give to what they make. */
const MAKERS: readonly (readonly [RegExp, string])[] = [
  [/^docker\d|^br-[0-9a-f]{12}$/, 'Docker'],
  [/^virbr|^vnet\d/, 'libvirt'],
  [/^cni|^flannel|^cali/, 'Kubernetes'],
  [/^podman/, 'Podman'],
  [/^ovs-system$|^vxlan_sys_/, 'Open vSwitch itself'],
];

const foreignDevice = (map: HostMap, device: HostDevice, physical: string | undefined): string => {
  const { name, alias, namespace, addresses } = device;
  const port = map.switchPort(name)?.port;
  const maker = MAKERS.find(([pattern]) => pattern.test(name))?.[1];
  const guest = port?.ids.get('vm-id') ?? port?.ids.get('iface-id');
  const bears = addresses.some((address) => address.split('/')[0] === map.facts.vtep);
  const known = [
    ...(alias === undefined ? [] : [`its alias is ${JSON.stringify(alias)}`]),
    ...(maker === undefined ? [] : [`by its name it is ${maker}'s`]),
    ...(guest === undefined ? [] : [`Open vSwitch has it as ${guest}`]),
    ...(bears ? [`it bears this host's VTEP address ${map.facts.vtep ?? ''}`] : []),
    ...(physical === undefined ? [] : [`it leads to physical network ${physical}`]),
    ...(addresses.length === 0 || bears ? [] : [`its addresses are ${addresses.join(', ')}`]),
  ];
  const where = namespace === '' ? inBridge(map, device) : ` in namespace ${namespace}`;
  return `not weft's: ${kindText(device)}${where}${known.length === 0 ? '' : `; ${known.join('; ')}`}`;
};

/** What a bridge of Open vSwitch is. */
export const describeSwitchBridge = (map: HostMap, bridge: SwitchBridge): Description => {
  const object = objectOfIds(bridge.ids);
  const physical = map.facts.physicalNetworks.get(bridge.name);
  const leads = physical === undefined ? '' : ` that leads to physical network ${physical}`;
  if (object === undefined) return { text: `not weft's: bridge of Open vSwitch${leads}`, isOurs: false };
  const held = map.facts.networks.filter((network) => network.bridge === bridge.name).length;
  const carries =
    object.kind === 'host' ? `, which carries ${held.toString()} network${held === 1 ? '' : 's'} now` : '';
  return { text: `bridge of Open vSwitch for ${phraseOf(object, map.names)}${carries}${leads}`, isOurs: true, object };
};

/** What a port of Open vSwitch is that the kernel shows no device for: a patch, a tunnel. */
export const describeSwitchPort = (map: HostMap, bridge: SwitchBridge, port: SwitchPort): Description => {
  const object = objectOfIds(port.ids) ?? map.pluggedAs(port.name);
  const what =
    port.type === 'patch'
      ? `patch port to ${port.options.get('peer') ?? '?'}`
      : port.type === 'vxlan'
        ? `VXLAN port ${port.options.get('remote_ip') === 'flow' ? 'of all tunnels' : `to ${port.options.get('remote_ip') ?? '?'}`}`
        : 'port';
  if (object === undefined) {
    return { text: `not weft's: ${what}, in bridge ${bridge.name} of Open vSwitch`, isOurs: false };
  }
  const served = object.kind === 'port' ? map.servedBy(object.id) : object;
  return { text: `${what} for ${phraseOf(served, map.names)}, in bridge ${bridge.name}`, isOurs: true, object: served };
};

const PROGRAMS: Readonly<Record<string, string>> = {
  dnsmasq: 'serves DHCP and DNS',
  radvd: 'sends router advertisements',
  nft: 'watches the rules',
};

/** What a program is that runs in a namespace. */
export const describeProcess = (
  names: ObjectNames,
  program: string,
  namespace: string,
  object: ObjectRef | undefined,
): string => {
  const does = PROGRAMS[program] ?? 'runs';
  const where = namespace === '' ? '' : ` in namespace ${namespace}`;
  return object === undefined
    ? `not weft's: ${program} runs${where}`
    : `${program} ${does} for ${phraseOf(object, names)}${where}`;
};
