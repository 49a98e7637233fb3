import { contains, overlaps, parseCidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';
import type { Lifetime } from './lifetime.ts';
import type { FixedIp, PortStatus } from './port.ts';

/** A prefix that a router has an address in. */
export interface AttachedSubnet {
  readonly id: Uuid;
  /** Canonical. */
  readonly cidr: string;
}

/** A port of a router. Its record says the same of it; the two are written together. */
export interface RouterPort {
  readonly portId: Uuid;
  readonly networkId: Uuid;
  readonly fixedIps: readonly FixedIp[];
  /** Of its addresses. */
  readonly subnets: readonly AttachedSubnet[];
}

/** A router's way out. */
export interface RouterGateway extends RouterPort {
  /** Whether IPv4 sources inside appear outside as the gateway's address. */
  readonly enableSnat: boolean;
}

/** A static route. */
export interface Route {
  /** A CIDR, canonical. */
  readonly destination: string;
  readonly nexthop: IpAddress;
}

/** Which host serves something. Unlike a port's binding it moves by topology's word alone. */
export interface Placement {
  /** Absent: none. */
  readonly hostId?: HostId;
  /** One more with each change of `hostId`; 0: never anywhere. */
  readonly generation: number;
}

/** A router between networks, served by one host at a time. */
export interface Router extends Lifetime {
  readonly id: Uuid;
  readonly name: ResourceName;
  /** False: it is on no host. */
  readonly adminStateUp: boolean;
  readonly gateway?: RouterGateway;
  /** By port id. */
  readonly interfaces: readonly RouterPort[];
  readonly routes: readonly Route[];
  readonly placement: Placement;
}

/** On no host yet. */
export const unplaced: Placement = { generation: 0 };

/** On `host`, or (undefined) nowhere. The very same value when it is there. */
export const placedOn = (placement: Placement, hostId: HostId | undefined): Placement =>
  placement.hostId === hostId
    ? placement
    : { ...(hostId === undefined ? {} : { hostId }), generation: placement.generation + 1 };

/** ACTIVE on a host, DOWN where it is to be on none, BUILD until a host takes it. */
export const routerStatusOf = ({ adminStateUp, placement }: Pick<Router, 'adminStateUp' | 'placement'>): PortStatus => {
  if (!adminStateUp) return 'down';
  return placement.hostId === undefined ? 'build' : 'active';
};

/** All ports of a router, the gateway's first. */
export const routerPorts = ({ gateway, interfaces }: Pick<Router, 'gateway' | 'interfaces'>): readonly RouterPort[] =>
  gateway === undefined ? interfaces : [gateway, ...interfaces];

/** The port of the router that has an address in `subnetId`, inside. */
export const interfaceOn = ({ interfaces }: Router, subnetId: Uuid): RouterPort | undefined =>
  interfaces.find(({ subnets }) => subnets.some(({ id }) => id === subnetId));

/** With one interface more, in order of port ids. */
export const withInterface = (router: Router, added: RouterPort): Router => ({
  ...router,
  interfaces: [...router.interfaces, added].sort((a, b) => (a.portId < b.portId ? -1 : 1)),
});

export const withoutInterface = (router: Router, portId: Uuid): Router => ({
  ...router,
  interfaces: router.interfaces.filter((one) => one.portId !== portId),
});

/** Two prefixes of different ports that share addresses: of `added` and of one of `present`. */
export const overlapOf = (
  present: readonly RouterPort[],
  added: readonly AttachedSubnet[],
): { readonly present: AttachedSubnet; readonly added: AttachedSubnet } | undefined => {
  for (const one of added) {
    const cidr = parseCidr('cidr', one.cidr);
    const other = present
      .flatMap(({ subnets }) => subnets)
      .find((subnet) => overlaps(parseCidr('cidr', subnet.cidr), cidr));
    if (other !== undefined) return { present: other, added: one };
  }
  return undefined;
};

/** The first route whose next hop lies in none of the ports' prefixes. */
export const strandedRoute = (
  routes: readonly Route[],
  ports: readonly RouterPort[],
): { readonly route: Route; readonly at: number } | undefined => {
  const prefixes = ports.flatMap(({ subnets }) => subnets.map(({ cidr }) => parseCidr('cidr', cidr)));
  const at = routes.findIndex(({ nexthop }) => !prefixes.some((prefix) => contains(prefix, nexthop)));
  const route = routes[at];
  return route === undefined ? undefined : { route, at };
};
