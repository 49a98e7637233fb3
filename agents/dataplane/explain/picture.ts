import type { HostDevice, SwitchBridge, SwitchPort } from './host-look.ts';
import type { HostMap } from './host-map.ts';
import { objectOfIds, objectOfNamespace } from './marks.ts';
import type { ObjectRef } from './thing.ts';

export type PicturePortKind = 'guest' | 'pair' | 'tunnel' | 'patch' | 'interface' | 'other';

export interface PictureRemote {
  readonly address: string;
  readonly hostId: string;
  readonly vnis: readonly number[];
}

export interface PicturePort {
  readonly device: string;
  readonly kind: PicturePortKind;
  readonly foreign: boolean;
  readonly object?: ObjectRef | undefined;
  readonly machineId: string;
  readonly mac: string;
  readonly ips: readonly string[];
  readonly peer: string;
  readonly peerNamespace: string;
  readonly vni: number;
  readonly remotes: readonly PictureRemote[];
  readonly physicalNetwork: string;
  readonly vlan: number;
}

export interface PictureBridge {
  readonly name: string;
  readonly openVswitch: boolean;
  readonly foreign: boolean;
  readonly objects: readonly ObjectRef[];
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly ports: readonly PicturePort[];
}

export interface PictureInterface {
  readonly device: string;
  readonly addresses: readonly string[];
  readonly uses: readonly string[];
  readonly object?: ObjectRef | undefined;
  readonly peer: string;
}

export interface PictureNamespace {
  readonly name: string;
  readonly foreign: boolean;
  readonly object?: ObjectRef | undefined;
  readonly interfaces: readonly PictureInterface[];
  readonly routes: readonly string[];
  readonly processes: readonly string[];
}

/** A host as a figure shows it. */
export interface HostPicture {
  readonly bridges: readonly PictureBridge[];
  readonly namespaces: readonly PictureNamespace[];
  readonly interfaces: readonly PictureInterface[];
}

/** What a figure of the host shows: all that is weft's, what is in a bridge with it, and what leads out of the host. */
export const pictureOf = (map: HostMap): HostPicture => {
  const bridges = [...linuxBridges(map), ...switchBridges(map)].sort(byName);
  return { bridges, namespaces: namespacesOf(map), interfaces: interfacesOf(map, bridges) };
};

const bearsVtep = (map: HostMap, addresses: readonly string[]): boolean =>
  addresses.some((address) => address.split('/')[0] === map.facts.vtep);

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1);
const byDevice = (a: { readonly device: string }, b: { readonly device: string }): number =>
  a.device < b.device ? -1 : 1;

const linuxBridges = (map: HostMap): readonly PictureBridge[] =>
  map.look.devices
    .filter(({ kind, namespace }) => kind === 'bridge' && namespace === '')
    .flatMap((bridge): PictureBridge[] => {
      const members = map.look.devices.filter(({ master, namespace }) => namespace === '' && master === bridge.name);
      const object = map.objectOf(bridge);
      const isMapped = map.facts.physicalNetworks.has(bridge.name);
      const isHeld = map.networkOf(bridge.name) !== undefined;
      const concerns =
        bearsVtep(map, bridge.addresses) ||
        isMapped ||
        isHeld ||
        object !== undefined ||
        members.some((each) => map.objectOf(each) !== undefined);
      if (!concerns) return [];
      return [
        {
          name: bridge.name,
          openVswitch: false,
          foreign: object === undefined,
          objects: object === undefined ? [] : [object],
          mtu: bridge.mtu,
          addresses: bridge.addresses,
          ports: members.map((member) => linuxPort(map, member, object !== undefined)).sort(byDevice),
        },
      ];
    });

const linuxPort = (map: HostMap, device: HostDevice, isOurBridge: boolean): PicturePort => {
  const kind = kindOf(map, device);
  const object = map.objectOf(device);
  const physicalNetwork = physicalOf(map, device);
  return {
    ...portOf(map, device.name, object),
    kind,
    foreign: isOurBridge && object === undefined && physicalNetwork === '',
    ...peerOf(map, device),
    vni: device.vxlan?.vni ?? 0,
    remotes: (map.look.flood.get(device.name) ?? [])
      .map((address) => ({ address, hostId: map.hostOfVtep(address), vnis: [] }))
      .sort((a, b) => (a.address < b.address ? -1 : 1)),
    physicalNetwork,
    vlan: device.vlan ?? 0,
  };
};

const physicalOf = (map: HostMap, { name, lower, kind }: HostDevice): string => {
  const { physicalNetworks } = map.facts;
  return physicalNetworks.get(name) ?? (kind === 'vlan' ? physicalNetworks.get(lower ?? '') : undefined) ?? '';
};

const kindOf = (map: HostMap, device: HostDevice): PicturePortKind => {
  if (device.vxlan !== undefined) return 'tunnel';
  if (physicalOf(map, device) !== '') return 'interface';
  if (map.peerOf(device) !== undefined) return 'pair';
  if (device.kind === 'tun' || device.name.startsWith('tap') || map.objectOf(device)?.kind === 'port') return 'guest';
  return device.kind === undefined || device.kind === 'vlan' || device.kind === 'bond' ? 'interface' : 'other';
};

const peerOf = (map: HostMap, device: HostDevice): Pick<PicturePort, 'peer' | 'peerNamespace'> => {
  const peer = map.peerOf(device);
  return { peer: peer?.name ?? '', peerNamespace: peer?.namespace ?? '' };
};

/** What is known of who is attached. */
const portOf = (
  map: HostMap,
  device: string,
  object: ObjectRef | undefined,
): Pick<PicturePort, 'device' | 'object' | 'machineId' | 'mac' | 'ips'> => {
  const plugged = map.facts.ports.find((each) => each.device === device);
  const portId = object?.kind === 'port' ? object.id : plugged?.portId;
  const known = portId === undefined ? undefined : map.names.ports.get(portId);
  return {
    device,
    object: portId === undefined ? object : map.servedBy(portId),
    machineId: known?.deviceId ?? '',
    mac: plugged?.mac ?? known?.mac ?? '',
    ips: plugged?.ips ?? known?.ips ?? [],
  };
};

const switchBridges = (map: HostMap): readonly PictureBridge[] => {
  const { bridges } = map.look;
  const shown = new Set(bridges.filter((bridge) => isOfWeft(map, bridge)).map(({ name }) => name));
  // The other end of a patch belongs into the figure, whosever it is.
  for (const { ports, name } of bridges) {
    const leads = ports.some(({ type, options }) => {
      const other = type === 'patch' ? map.switchPort(options.get('peer') ?? '') : undefined;
      return other !== undefined && shown.has(other.bridge.name);
    });
    if (leads) shown.add(name);
  }
  return bridges.filter(({ name }) => shown.has(name)).map((bridge) => switchBridge(map, bridge));
};

const isOfWeft = (map: HostMap, { name, ids, ports }: SwitchBridge): boolean =>
  objectOfIds(ids) !== undefined ||
  map.facts.physicalNetworks.has(name) ||
  bearsVtep(map, map.device(name)?.addresses ?? []) ||
  ports.some((port) => objectOfIds(port.ids) !== undefined);

const switchBridge = (map: HostMap, bridge: SwitchBridge): PictureBridge => {
  const own = map.device(bridge.name);
  const object = objectOfIds(bridge.ids);
  const held = map.facts.networks.filter((network) => network.bridge === bridge.name);
  return {
    name: bridge.name,
    openVswitch: true,
    foreign: object === undefined,
    objects:
      held.length > 0
        ? held.map(({ networkId }) => ({ kind: 'network', id: networkId }))
        : object === undefined || object.kind === 'host'
          ? []
          : [object],
    mtu: own?.mtu ?? 0,
    addresses: own?.addresses ?? [],
    ports: bridge.ports
      .filter(({ name }) => name !== bridge.name)
      .map((port) => switchPort(map, port, object !== undefined))
      .sort(byDevice),
  };
};

const switchPort = (map: HostMap, port: SwitchPort, isOurBridge: boolean): PicturePort => {
  const device = map.device(port.name);
  const recorded = objectOfIds(port.ids);
  const object = recorded?.kind === 'host' ? undefined : (recorded ?? map.pluggedAs(port.name));
  const physicalNetwork = device === undefined ? '' : physicalOf(map, device);
  const base = {
    ...portOf(map, port.name, object),
    foreign:
      isOurBridge && recorded === undefined && object === undefined && physicalNetwork === '' && port.type !== 'patch',
    physicalNetwork,
    vlan: port.tag ?? 0,
  };
  const none = { peer: '', peerNamespace: '', vni: 0, remotes: [] };
  if (port.type === 'patch') return { ...base, ...none, kind: 'patch', peer: port.options.get('peer') ?? '' };
  if (port.type === 'vxlan') return { ...base, ...none, kind: 'tunnel', ...tunnelOf(map, port) };
  if (device === undefined) return { ...base, ...none, kind: 'other' };
  return { ...base, ...none, kind: kindOf(map, device), ...peerOf(map, device) };
};

const tunnelOf = (map: HostMap, { name, options }: SwitchPort): Pick<PicturePort, 'vni' | 'remotes'> => {
  const remote = options.get('remote_ip') ?? 'flow';
  const key = options.get('key') ?? 'flow';
  const vni = key === 'flow' ? 0 : Number(key);
  if (remote !== 'flow') return { vni, remotes: [{ address: remote, hostId: map.hostOfVtep(remote), vnis: [] }] };
  const remotes = new Map<string, { address: string; hostId: string; vnis: number[] }>();
  for (const network of map.facts.networks) {
    if (network.tunnel !== name) continue;
    for (const [address, hostId] of network.remotes) {
      const known = remotes.get(address) ?? { address, hostId, vnis: [] };
      known.vnis.push(network.vni);
      remotes.set(address, known);
    }
  }
  return { vni, remotes: [...remotes.values()].sort((a, b) => (a.address < b.address ? -1 : 1)) };
};

const namespacesOf = (map: HostMap): readonly PictureNamespace[] =>
  map.look.namespaces
    .map((namespace): PictureNamespace => {
      const object = objectOfNamespace(namespace.name);
      const devices = map.look.devices.filter((each) => each.namespace === namespace.name && each.name !== 'lo');
      return {
        name: namespace.name,
        foreign: object === undefined,
        object,
        interfaces: devices
          .map((device): PictureInterface => ({
            device: device.name,
            addresses: device.addresses,
            uses: [],
            object: map.objectOf(device),
            peer: map.peerOf(device)?.name ?? '',
          }))
          .sort(byDevice),
        routes: namespace.routes,
        processes: namespace.processes.map(({ pid, argv }) => `${pid.toString()} ${argv.join(' ')}`),
      };
    })
    .filter(({ foreign, interfaces }) => !foreign || interfaces.some(({ peer }) => peer !== ''))
    .sort(byName);

const interfacesOf = (map: HostMap, drawn: readonly PictureBridge[]): readonly PictureInterface[] =>
  map.look.devices.flatMap((device): PictureInterface[] => {
    const { name, namespace, addresses, kind } = device;
    if (
      namespace !== '' ||
      name === 'lo' ||
      kind === 'bridge' ||
      drawn.some((bridge) => bridge.name === name) ||
      map.bridgeOf(device) !== undefined
    )
      return [];
    const physical = physicalOf(map, device);
    const uses = [
      ...(bearsVtep(map, addresses) ? ['underlay'] : []),
      ...(physical === '' ? [] : [`physical network ${physical}`]),
    ];
    const isOutward = map.peerOf(device) === undefined && map.switchBridge(name) === undefined;
    if (uses.length === 0 && !(isOutward && addresses.length > 0)) return [];
    return [{ device: name, addresses, uses, object: map.objectOf(device), peer: '' }];
  });
