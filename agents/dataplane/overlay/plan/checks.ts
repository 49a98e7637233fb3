import { DomainError } from '#platform/errors/domain-error.ts';
import { contains } from '#platform/net/cidr.ts';
import { ipVersion } from '#platform/net/ip-address.ts';
import { VXLAN_OVERHEAD } from '#platform/net/mtu.ts';
import { containsCidr } from '../model/interface-address.ts';
import type { ObservedHost } from '../model/observed.ts';
import type { OverlayLink, OverlaySpec } from '../model/spec.ts';

/** RFC 791 and RFC 8200 §5: what each link must carry. */
const MIN_MTU = { 4: 68, 6: 1_280 } as const;

/** What docker and the kernel give to a device that nothing else is said of. */
export const ETHERNET_MTU = 1_500;

/** The MTU of an overlay, and why it cannot be had. */
export interface MtuChoice {
  /** Absent when neither wish nor underlay say. */
  readonly mtu?: number;
  readonly problems: readonly DomainError[];
}

/**
 * The MTU that is wished, or else what the underlay leaves towards the peer to which it leaves the least. `lastMtu` stands in
 * while there is no way to a peer.
 */
export const chooseMtu = (spec: OverlaySpec, observed: ObservedHost, lastMtu: number | undefined): MtuChoice => {
  const problems: DomainError[] = [];
  const least = MIN_MTU[spec.addresses.some(({ network }) => network.version === 6) ? 6 : 4];
  let left: number | undefined;
  for (const [at, { remote }] of spec.peers.entries()) {
    const field = `overlay.peers[${at.toString()}].remote_address`;
    const route = observed.routes.get(remote);
    if (route === undefined) {
      problems.push(new DomainError('precondition', 'NO_ROUTE', `${field}: this host has no route to ${remote}`));
      continue;
    }
    if (route.isLocal) {
      problems.push(
        new DomainError('invalid', 'INVALID_FIELD', `${field}: ${remote} is an address of this host itself`, {
          violations: [{ field, description: `${remote} is an address of this host itself` }],
        }),
      );
      continue;
    }
    const overhead = VXLAN_OVERHEAD[ipVersion(remote)];
    left = Math.min(left ?? Infinity, route.mtu - overhead);
    const wanted = spec.mtu ?? least;
    if (wanted + overhead > route.mtu) {
      problems.push(
        new DomainError(
          'precondition',
          'UNDERLAY_MTU_TOO_SMALL',
          `overlay.mtu: ${spec.mtu === undefined ? 'at least ' : ''}${wanted.toString()} and ${overhead.toString()} bytes of ` +
            `VXLAN over IPv${ipVersion(remote).toString()} need an underlay MTU of ${(wanted + overhead).toString()} ` +
            `towards ${remote}, ${route.device} has ${route.mtu.toString()}`,
          { details: { wanted: (wanted + overhead).toString(), underlay: route.mtu.toString() } },
        ),
      );
    }
  }
  const alone = spec.peers.length === 0 ? ETHERNET_MTU : lastMtu;
  const mtu = spec.mtu ?? (left === undefined || left < least ? alone : left);
  return { ...(mtu !== undefined && { mtu }), problems };
};

/** Addresses of the overlay that another device of this host has. */
export const addressProblems = (spec: OverlaySpec, observed: ObservedHost): readonly DomainError[] =>
  spec.addresses.flatMap(({ ip }, at) => {
    for (const { name, addresses } of observed.links.values()) {
      if (name === spec.bridge || !addresses.some((each) => each.ip === ip)) continue;
      const message = `overlay.addresses[${at.toString()}]: ${ip} is an address of ${name} already`;
      return [new DomainError('exists', 'ADDRESS_IN_USE', message, { details: { address: ip, device: name } })];
    }
    return [];
  });

/** ovs-vswitchd's own datapath sends tunnels only by devices that are ports of its bridges: the kernel's routes end there. */
export const underlayProblems = (
  spec: OverlaySpec,
  observed: ObservedHost,
  datapathType: string,
): readonly DomainError[] => {
  if (datapathType !== 'netdev') return [];
  return spec.peers.flatMap(({ remote }) => {
    const route = observed.routes.get(remote);
    if (route === undefined || route.isLocal || observed.ports.has(route.device)) return [];
    return [
      new DomainError(
        'precondition',
        'UNDERLAY_NOT_IN_OVS',
        `the userspace datapath (netdev) sends tunnels through Open vSwitch' own ports only: ${route.device}, which leads ` +
          `to ${remote}, is none; put it into a bridge with datapath_type=netdev that bears its address`,
        { details: { device: route.device, remote_address: remote } },
      ),
    ];
  });
};

/** A peer within the overlay's own network, where nothing narrower than that leads to it: the tunnel would lead into itself. */
export const tunnelLoopProblems = (spec: OverlaySpec, observed: ObservedHost): readonly DomainError[] =>
  spec.peers.flatMap(({ remote }, at) => {
    const network = spec.addresses.map((each) => each.network).find((each) => contains(each, remote));
    const route = observed.routes.get(remote);
    if (network === undefined || route === undefined || route.isLocal) return [];
    if (route.device !== spec.bridge && (route.prefixLength ?? 0) > network.prefixLength) return [];
    return [
      new DomainError(
        'precondition',
        'PEER_INSIDE_OVERLAY',
        `overlay.peers[${at.toString()}].remote_address: ${remote} lies in the overlay's own ${network.text}, and this host has ` +
          'no narrower route to it: the tunnel would lead into itself',
        { details: { remote_address: remote, network: network.text } },
      ),
    ];
  });

/** Subnets behind a link that the overlay's networks of their address family do not contain. */
export const subnetProblems = (
  spec: OverlaySpec,
  link: OverlayLink,
  observed: ObservedHost,
): readonly DomainError[] => {
  const own = observed.links.get(link.bridge)?.addresses.map(({ network }) => network) ?? [];
  return [...own, ...link.subnets].flatMap((subnet) => {
    const wide = spec.addresses.map(({ network }) => network).filter(({ version }) => version === subnet.version);
    if (wide.length === 0 || wide.some((network) => containsCidr(network, subnet))) return [];
    const networks = wide.map(({ text }) => text).join(' or ');
    return [
      new DomainError(
        'precondition',
        'SUBNET_OUTSIDE_OVERLAY',
        `overlay.addresses: ${networks} does not contain ${link.bridge}'s ${subnet.text}; give the overlay an address of a ` +
          `wider network, or ${link.bridge} a subnet within it`,
        { details: { network: networks, bridge: link.bridge, subnet: subnet.text } },
      ),
    ];
  });
};
