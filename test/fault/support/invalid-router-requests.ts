import { randomUUID } from 'node:crypto';
import { ExplainServiceService } from '#proto/weft/agent/v1/explain.ts';
import { DutyServiceService } from '#proto/weft/topology/v1/duty.ts';
import { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import type { MethodShape } from '#platform/rpc/definition.ts';
import type { Existing, Spoilt } from './spoilt.ts';
import { cidrs, hosts, ids, ips, LONG, masks, names, SHELL, sizes, tokens } from './wrong-values.ts';

const R = RouterServiceService;
const E = ExplainServiceService;

/** Of routers, floating IPs, duties of hosts, and what is asked of a host about its things. */
export const routerCases = ({ network, subnet, port, host }: Existing): readonly Spoilt[] => {
  const fresh = { request_id: randomUUID(), validate_only: false };
  const common = { request_id: ['x', SHELL, LONG] };
  const page = { page_size: sizes, page_token: tokens };
  const router = { external_gateway: { network_id: network }, routes: [] };
  const topology = (method: MethodShape, request: Spoilt['request'], spoil: Spoilt['spoil']): Spoilt => ({
    ...{ service: 'topology', method, request, spoil },
  });
  const agent = (method: MethodShape, request: Spoilt['request'], spoil: Spoilt['spoil']): Spoilt => ({
    ...{ service: 'agent', method, request, spoil },
  });
  return [
    topology(
      R.createRouter,
      { router, ...fresh },
      {
        ...common,
        router: [undefined],
        'router.id': ids,
        'router.name': names,
        'router.binding_host_id': hosts,
        'router.external_gateway.network_id': ['', ...ids],
        'router.external_gateway.fixed_ips': ips.map((ip_address) => [{ subnet_id: '', ip_address }]),
        'router.routes': [
          ...cidrs.map((destination) => [{ destination, nexthop: '10.0.0.1' }]),
          ...ips.map((nexthop) => [{ destination: '10.0.0.0/8', nexthop }]),
          [{ destination: '10.0.0.0/8', nexthop: '2001:db8::1' }],
        ],
      },
    ),
    topology(R.getRouter, {}, { id: ids }),
    topology(R.listRouters, {}, { ...page, name: names }),
    topology(
      R.updateRouter,
      { router: { id: randomUUID(), name: 'renamed' }, update_mask: { paths: ['name'] }, ...fresh },
      { ...common, router: [undefined], 'router.id': ids, 'router.name': names, update_mask: masks },
    ),
    topology(R.deleteRouter, { id: randomUUID(), ...fresh }, { ...common, id: ids }),
    topology(
      R.addRouterInterface,
      { router_id: randomUUID(), subnet_id: subnet, ...fresh },
      { ...common, router_id: ['', ...ids], subnet_id: ids },
    ),
    topology(
      R.removeRouterInterface,
      { router_id: randomUUID(), subnet_id: subnet, ...fresh },
      { ...common, router_id: ['', ...ids], subnet_id: ids },
    ),
    topology(
      R.createFloatingIp,
      { floating_ip: { floating_network_id: network }, ...fresh },
      {
        ...common,
        floating_ip: [undefined],
        'floating_ip.id': ids,
        'floating_ip.floating_network_id': ['', ...ids],
        'floating_ip.floating_ip_address': [...ips, '2001:db8::1'],
        'floating_ip.port_id': ids,
      },
    ),
    topology(R.getFloatingIp, {}, { id: ids }),
    topology(R.listFloatingIps, {}, page),
    topology(
      R.updateFloatingIp,
      { floating_ip: { id: randomUUID(), port_id: port }, update_mask: { paths: ['port_id'] }, ...fresh },
      { ...common, floating_ip: [undefined], 'floating_ip.id': ids, 'floating_ip.port_id': ids, update_mask: masks },
    ),
    topology(R.deleteFloatingIp, { id: randomUUID(), ...fresh }, { ...common, id: ids }),
    topology(DutyServiceService.watchDuties, { host_id: host }, { host_id: ['', ...hosts] }),
    agent(E.explainThing, { kind: 'THING_KIND_DEVICE', name: 'x' }, { kind: ['THING_KIND_UNSPECIFIED'], name: [''] }),
    agent(E.listThings, { object_kind: 'network', object_id: network }, { object_kind: ['x', SHELL], object_id: ids }),
  ];
};
