import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseHostId, parseName, parseUuid, type Uuid } from '#platform/net/names.ts';
import { etagOf } from '#platform/store/etag.ts';
import { checkMask } from '#platform/store/request-mask.ts';
import type { ExternalGateway as GatewayMessage, Router as RouterMessage } from '#proto/weft/topology/v1/topology.ts';
import type { RouterDraft } from '../app/create-router.ts';
import type { GatewayWish } from '../app/router-gateway.ts';
import type { RouterUpdate } from '../app/update-router.ts';
import { type Route, type Router, type RouterGateway, routerStatusOf } from '../domain/router.ts';
import { optional, timestamp } from './fields.ts';
import { statusMessage } from './names.ts';
import { fixedIpMessage, readWishes } from './port-message.ts';

export const routerMessage = (router: Router): RouterMessage => {
  const status = routerStatusOf(router);
  return {
    id: router.id,
    name: router.name,
    admin_state_up: router.adminStateUp,
    ...(router.gateway === undefined ? {} : { external_gateway: gatewayMessage(router.gateway) }),
    routes: router.routes.map(({ destination, nexthop }) => ({ destination, nexthop })),
    interfaces: router.interfaces.map(({ portId, networkId, fixedIps }) => ({
      port_id: portId,
      network_id: networkId,
      fixed_ips: fixedIps.map(fixedIpMessage),
    })),
    binding_host_id: router.placement.hostId ?? '',
    binding_generation: router.placement.generation.toString(),
    status: statusMessage(status),
    status_message: status === 'build' ? 'no live host of role network has taken it yet' : '',
    etag: etagOf(router.revision),
    revision_number: router.revision.toString(),
    create_time: timestamp(router.createdAt),
    update_time: timestamp(router.updatedAt),
  };
};

const gatewayMessage = ({ networkId, fixedIps, enableSnat, portId }: RouterGateway): GatewayMessage => ({
  network_id: networkId,
  fixed_ips: fixedIps.map(fixedIpMessage),
  enable_snat: enableSnat,
  port_id: portId,
});

/** Throws `invalid` for the first field that is not what it should be. */
export const readRouterDraft = (message: RouterMessage, id: Uuid): RouterDraft => {
  const { external_gateway: gateway } = message;
  const hostId = optional(parseHostId, 'router.binding_host_id', message.binding_host_id);
  const adminStateUp = message.admin_state_up ?? true;
  if (hostId !== undefined && !adminStateUp) {
    throw invalidField('router.binding_host_id', hostId, 'does not go with admin_state_up false');
  }
  return {
    id,
    name: parseName('router.name', message.name),
    adminStateUp,
    ...(gateway === undefined ? {} : { gateway: readGateway(gateway) }),
    routes: readRoutes(message.routes),
    ...(hostId === undefined ? {} : { hostId }),
  };
};

type Patch = Omit<RouterUpdate, 'id' | 'etag'>;
type Setter = (message: RouterMessage) => Patch;

/** What is unset where false would be a value stays as it is; without a host the choice is topology's, as it was. */
const SETTERS = {
  name: ({ name }) => ({ name: parseName('router.name', name) }),
  admin_state_up: ({ admin_state_up: up }) => (up === undefined ? {} : { adminStateUp: up }),
  external_gateway: ({ external_gateway: gateway }) => ({
    gateway: gateway === undefined ? null : readGateway(gateway),
  }),
  routes: ({ routes }) => ({ routes: readRoutes(routes) }),
  binding_host_id: ({ binding_host_id: id }) =>
    id === '' ? {} : { hostId: parseHostId('router.binding_host_id', id) },
} as const satisfies Record<string, Setter>;

const FIELDS = Object.keys(SETTERS) as readonly (keyof typeof SETTERS)[];

/** What an update names. Throws `invalid`. */
export const readRouterPatch = (message: RouterMessage, mask: readonly string[]): Patch => {
  const patches: readonly Patch[] = checkMask(mask, FIELDS, 'router').map((field) => SETTERS[field](message));
  return Object.assign({}, ...patches) as Patch;
};

const readGateway = (message: GatewayMessage): GatewayWish => ({
  networkId: parseUuid('router.external_gateway.network_id', message.network_id),
  fixedIps: readWishes('router.external_gateway.fixed_ips', message.fixed_ips),
  enableSnat: message.enable_snat ?? true,
});

/** More static routes than anybody keeps by hand. */
const MOST_ROUTES = 256;

const readRoutes = (messages: RouterMessage['routes']): readonly Route[] => {
  if (messages.length > MOST_ROUTES) {
    throw invalidField('router.routes', messages.length, `are more than ${MOST_ROUTES.toString()}`);
  }
  const routes = messages.map((message, at) => {
    const field = `router.routes[${at.toString()}]`;
    const { text: destination, version } = parseCidr(`${field}.destination`, message.destination);
    const nexthop = parseUnicastIp(`${field}.nexthop`, message.nexthop);
    if (ipVersion(nexthop) !== version) {
      throw invalidField(`${field}.nexthop`, nexthop, `is not of IPv${version.toString()} as ${destination} is`);
    }
    return { destination, nexthop };
  });
  const twice = routes.findIndex(({ destination }, at) =>
    routes.slice(0, at).some((other) => other.destination === destination),
  );
  if (twice === -1) return routes;
  const field = `router.routes[${twice.toString()}].destination`;
  throw invalidField(field, routes[twice]?.destination, 'has a route already');
};
