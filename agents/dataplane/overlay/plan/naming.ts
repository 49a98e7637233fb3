import type { DeviceName } from '#platform/net/names.ts';
import { overlayOfAlias, parseOverlayDevice } from '../model/names.ts';
import type { ObservedHost } from '../model/observed.ts';
import type { OverlayLink, OverlayPeer, OverlaySpec, OverlayWish, WishedPeer } from '../model/spec.ts';

/**
 * Gives names to what was left to the agent. A peer keeps the tunnel it has, a bridge its veth pair: by what was applied
 * before, or by what on the host bears the overlay's mark. Others get the lowest number that is free on the host and not
 * in `reserved`, the names that other overlays have.
 */
export const nameDevices = (
  wish: OverlayWish,
  previous: OverlaySpec | undefined,
  observed: ObservedHost,
  reserved: ReadonlySet<string>,
): OverlaySpec => {
  const isForeign = (name: string): boolean => {
    const port = observed.ports.get(name);
    if (port !== undefined) return port.overlay !== wish.name;
    const link = observed.links.get(name);
    return link !== undefined && overlayOfAlias(link.alias) !== wish.name;
  };
  const used = new Set<string>([...reserved, ...givenNames(wish)]);
  /** What it was called before, unless that name was given to another now. */
  const keep = (name: DeviceName | undefined): DeviceName | undefined => {
    if (name === undefined || used.has(name)) return undefined;
    used.add(name);
    return name;
  };
  const take = (...prefixes: readonly string[]): readonly DeviceName[] => {
    for (let n = 0; ; n += 1) {
      const names = prefixes.map((prefix) => `${prefix}${n.toString()}`);
      if (names.some((name) => used.has(name) || isForeign(name))) continue;
      return names.map((name) => {
        used.add(name);
        return parseOverlayDevice('device_name', name);
      });
    }
  };
  const one = (prefix: string): DeviceName => {
    const [name] = take(prefix);
    if (name === undefined) throw new TypeError(`no name for ${prefix}`);
    return name;
  };
  // First all that keep theirs, so that no newcomer takes a name that another keeps.
  const keptPeers = wish.peers.map((peer) => peer.device ?? keep(heldTunnel(wish, peer, previous, observed)));
  const keptLinks = wish.links.map((link) => {
    const before = previous?.links.find(({ bridge }) => bridge === link.bridge);
    return {
      device: link.device ?? keep(before?.device),
      peerDevice: link.peerDevice ?? keep(before?.peerDevice),
    };
  });
  const peers = wish.peers.map(({ remote }, at): OverlayPeer => ({ remote, device: keptPeers[at] ?? one('vxlan') }));
  const links = wish.links.map(({ bridge, subnets }, at): OverlayLink => {
    const { device, peerDevice } = keptLinks[at] ?? {};
    // Both ends of a new pair get the same number.
    const [newDevice, newPeer] = device === undefined && peerDevice === undefined ? take('veth_sw', 'veth_d') : [];
    return {
      bridge,
      subnets,
      device: device ?? newDevice ?? one('veth_sw'),
      peerDevice: peerDevice ?? newPeer ?? one('veth_d'),
    };
  });
  return { ...wish, peers, links };
};

const givenNames = (wish: OverlayWish): readonly string[] =>
  [
    wish.bridge,
    ...wish.peers.map(({ device }) => device),
    ...wish.links.flatMap(({ bridge, device, peerDevice }) => [bridge, device, peerDevice]),
  ].filter((name) => name !== undefined);

const heldTunnel = (
  wish: OverlayWish,
  { remote }: WishedPeer,
  previous: OverlaySpec | undefined,
  observed: ObservedHost,
): DeviceName | undefined => {
  const before = previous?.peers.find((peer) => peer.remote === remote)?.device;
  if (before !== undefined) return before;
  for (const { name, overlay, type, options } of observed.ports.values()) {
    if (overlay === wish.name && type === 'vxlan' && options.get('remote_ip') === remote) {
      return parseOverlayDevice('device_name', name);
    }
  }
  return undefined;
};

/** All device names of an overlay; those of bridges that it is linked to are not its own. */
export const ownNames = (spec: OverlaySpec): readonly string[] => [
  spec.bridge,
  ...spec.peers.map(({ device }) => device),
  ...spec.links.flatMap(({ device, peerDevice }) => [device, peerDevice]),
];
