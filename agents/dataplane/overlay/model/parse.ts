import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseUdpPort, VXLAN_PORT } from '#platform/net/udp-port.ts';
import { parseVni } from '#platform/net/vni.ts';
import { parseInterfaceAddress } from './interface-address.ts';
import { parseOverlayDevice, parseOverlayName } from './names.ts';
import type { OverlaySpec, OverlayWish, WishedLink, WishedPeer } from './spec.ts';

/** An overlay as it travels and as it is kept: the fields of weft.agent.v1.Overlay that are told, not answered. */
export interface OverlayText {
  readonly name: string;
  readonly bridge_name: string;
  readonly addresses: readonly string[];
  readonly vni: number;
  readonly udp_port: number;
  readonly local_address: string;
  readonly peers: readonly { readonly device_name: string; readonly remote_address: string }[];
  readonly mtu: number;
  readonly links: readonly {
    readonly bridge_name: string;
    readonly device_name: string;
    readonly peer_device_name: string;
    readonly subnets: readonly string[];
  }[];
}

/** RFC 8200 §5: IPv6 needs links that carry this. */
const MIN_IPV6_MTU = 1_280;

/** Reads an overlay by itself, without a look at the host. Throws `invalid` for the first field that breaks a rule. */
export const parseOverlay = (text: OverlayText): OverlayWish => {
  const name = parseOverlayName('overlay.name', text.name);
  const bridge = parseOverlayDevice('overlay.bridge_name', text.bridge_name);
  const addresses = text.addresses.map((each, at) =>
    parseInterfaceAddress(`overlay.addresses[${at.toString()}]`, each),
  );
  const local = text.local_address === '' ? undefined : parseUnderlay('overlay.local_address', text.local_address);
  const wish: OverlayWish = {
    name,
    bridge,
    addresses,
    ...(text.vni !== 0 && { vni: parseVni('overlay.vni', text.vni) }),
    udpPort: text.udp_port === 0 ? VXLAN_PORT : parseUdpPort('overlay.udp_port', text.udp_port),
    ...(local !== undefined && { local }),
    peers: text.peers.map((peer, at) => parsePeer(`overlay.peers[${at.toString()}]`, peer, local)),
    ...(text.mtu !== 0 && { mtu: parseMtu('overlay.mtu', text.mtu) }),
    links: text.links.map((link, at) => parseLink(`overlay.links[${at.toString()}]`, link)),
  };
  checkTwice(wish);
  if (wish.mtu !== undefined && wish.mtu < MIN_IPV6_MTU && addresses.some(({ network }) => network.version === 6)) {
    throw invalidField('overlay.mtu', wish.mtu, `is less than the ${MIN_IPV6_MTU.toString()} that IPv6 needs`);
  }
  return wish;
};

/** The inverse of `parseOverlay`. */
export const overlayText = (spec: OverlaySpec): OverlayText => ({
  name: spec.name,
  bridge_name: spec.bridge,
  addresses: spec.addresses.map((each) => each.text),
  vni: spec.vni ?? 0,
  udp_port: spec.udpPort,
  local_address: spec.local ?? '',
  peers: spec.peers.map(({ device, remote }) => ({ device_name: device, remote_address: remote })),
  mtu: spec.mtu ?? 0,
  links: spec.links.map((link) => ({
    bridge_name: link.bridge,
    device_name: link.device,
    peer_device_name: link.peerDevice,
    subnets: link.subnets.map((each) => each.text),
  })),
});

const parsePeer = (field: string, peer: OverlayText['peers'][number], local: IpAddress | undefined): WishedPeer => {
  const remote = parseUnderlay(`${field}.remote_address`, peer.remote_address);
  if (remote === local) throw invalidField(`${field}.remote_address`, remote, 'is local_address as well');
  if (local !== undefined && ipVersion(local) !== ipVersion(remote)) {
    throw invalidField(`${field}.remote_address`, remote, `is not of the address family of local_address ${local}`);
  }
  return {
    remote,
    ...(peer.device_name !== '' && { device: parseOverlayDevice(`${field}.device_name`, peer.device_name) }),
  };
};

const parseLink = (field: string, link: OverlayText['links'][number]): WishedLink => ({
  bridge: parseOverlayDevice(`${field}.bridge_name`, link.bridge_name),
  ...(link.device_name !== '' && { device: parseOverlayDevice(`${field}.device_name`, link.device_name) }),
  ...(link.peer_device_name !== '' && {
    peerDevice: parseOverlayDevice(`${field}.peer_device_name`, link.peer_device_name),
  }),
  subnets: link.subnets.map((each, at) => parseCidr(`${field}.subnets[${at.toString()}]`, each)),
});

const parseUnderlay = (field: string, text: string): IpAddress => {
  const ip = parseUnicastIp(field, text);
  if (/^fe[89ab]/.test(ip)) throw invalidField(field, text, 'is link-local: no tunnel can start or end there');
  if (ip === '::1' || ip.startsWith('127.')) throw invalidField(field, text, "is the loopback's address");
  return ip;
};

/** What stands twice in one overlay would be made twice under one name. */
const checkTwice = ({ bridge, addresses, peers, links }: OverlayWish): void => {
  refuseTwice(addresses.map(({ ip }, at) => [`overlay.addresses[${at.toString()}]`, ip]));
  refuseTwice(peers.map(({ remote }, at) => [`overlay.peers[${at.toString()}].remote_address`, remote]));
  refuseTwice(links.map((link, at) => [`overlay.links[${at.toString()}].bridge_name`, link.bridge]));
  refuseTwice([
    ['overlay.bridge_name', bridge],
    ...peers.map(({ device }, at) => [`overlay.peers[${at.toString()}].device_name`, device] as const),
    ...links.flatMap(({ bridge: other, device, peerDevice }, at) => {
      const field = `overlay.links[${at.toString()}]`;
      return [
        [`${field}.bridge_name`, other],
        [`${field}.device_name`, device],
        [`${field}.peer_device_name`, peerDevice],
      ] as const;
    }),
  ]);
};

const refuseTwice = (values: readonly (readonly [field: string, value: string | undefined])[]): void => {
  const seen = new Map<string, string>();
  for (const [field, value] of values) {
    if (value === undefined) continue;
    const first = seen.get(value);
    if (first !== undefined) throw invalidField(field, value, `is ${first} as well`);
    seen.set(value, field);
  }
};
