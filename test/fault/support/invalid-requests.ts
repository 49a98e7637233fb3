import { randomUUID } from 'node:crypto';
import { AgentServiceService } from '#proto/weft/agent/v1/agent.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { MethodShape } from '#platform/rpc/definition.ts';
import { routerCases } from './invalid-router-requests.ts';
import type { Protos } from './protos.ts';
import type { Existing, InvalidRequest, Spoilt } from './spoilt.ts';
import { cidrs, devices, hosts, ids, ips, LONG, macs, masks, names, SHELL, sizes, tokens } from './wrong-values.ts';

/** Every method with something that it must refuse, and the field to be named. */
export const invalidRequests = (
  protos: Protos,
  { network, subnet, port, host }: Existing,
): readonly InvalidRequest[] => {
  const fresh = { request_id: randomUUID(), validate_only: false };
  const common = { request_id: ['x', SHELL, LONG] };
  const page = { page_size: sizes, page_token: tokens };
  const ipam = (method: MethodShape, request: Spoilt['request'], spoil: Spoilt['spoil']): Spoilt => ({
    service: 'ipam',
    method,
    request,
    spoil,
  });
  const topology = (method: MethodShape, request: Spoilt['request'], spoil: Spoilt['spoil']): Spoilt => ({
    ...ipam(method, request, spoil),
    service: 'topology',
  });
  const l2pop = (method: MethodShape, request: Spoilt['request'], spoil: Spoilt['spoil']): Spoilt => ({
    ...ipam(method, request, spoil),
    service: 'l2pop',
  });
  const agent = (method: MethodShape, request: Spoilt['request'], spoil: Spoilt['spoil']): Spoilt => ({
    ...ipam(method, request, spoil),
    service: 'agent',
  });
  const I = IpamServiceService;
  const T = TopologyServiceService;
  const L = L2populationServiceService;
  const A = AgentServiceService;
  const newSubnet = { network_id: network, cidr: '172.16.9.0/24' };
  const newHost = { id: 'h99', vtep_address: '192.0.2.99', driver: 'DRIVER_LINUXBRIDGE', underlay_mtu: 1500 };
  const cases: readonly Spoilt[] = [
    ipam(
      I.createSubnet,
      { subnet: newSubnet, ...fresh },
      {
        ...common,
        subnet: [undefined],
        'subnet.id': ids,
        'subnet.network_id': ids,
        'subnet.name': names,
        'subnet.cidr': cidrs,
        'subnet.gateway_ip': [...ips, '10.0.0.1'],
        'subnet.dns_nameservers': ips.map((ip) => [ip]),
        'subnet.allocation_pools': [
          [{ start: 'x', end: '172.16.9.9' }],
          [{ start: '172.16.9.9', end: '172.16.9.2' }],
          [{ start: '10.0.0.1', end: '10.0.0.9' }],
        ],
        'subnet.host_routes': [
          [{ destination: 'x', nexthop: '172.16.9.1' }],
          [{ destination: '10.0.0.0/8', nexthop: SHELL }],
        ],
      },
    ),
    ipam(I.getSubnet, {}, { id: ids }),
    ipam(I.listSubnets, {}, { ...page, network_id: ids }),
    ipam(
      I.updateSubnet,
      { subnet: { id: subnet, name: 'renamed' }, update_mask: { paths: ['name'] }, ...fresh },
      { ...common, subnet: [undefined], 'subnet.id': ids, 'subnet.name': names, update_mask: masks },
    ),
    ipam(I.deleteSubnet, { id: randomUUID(), ...fresh }, { ...common, id: ids }),
    ipam(
      I.allocateAddresses,
      { network_id: network, owner_id: 'fuzz', ...fresh },
      {
        ...common,
        network_id: ids,
        owner_id: ['', SHELL, LONG, 'a b'],
        fixed_ips: ips.map((ip_address) => [{ subnet_id: subnet, ip_address }]),
      },
    ),
    ipam(
      I.releaseAddresses,
      { owner_id: 'fuzz', ...fresh },
      { ...common, owner_id: ['', SHELL, LONG], fixed_ips: [[{}], [{ subnet_id: 'x' }]] },
    ),
    ipam(I.listLeases, { subnet_id: subnet }, { ...page, subnet_id: ids, owner_id: [SHELL, 'port-1'] }),
    ipam(
      I.allocateMacAddress,
      { network_id: network, owner_id: 'fuzz', ...fresh },
      { ...common, network_id: ids, owner_id: ['', SHELL, LONG], mac_address: macs },
    ),
    ipam(
      I.releaseMacAddress,
      { network_id: network, owner_id: 'fuzz', ...fresh },
      { ...common, network_id: ids, owner_id: ['', SHELL] },
    ),
    ipam(
      I.createSegmentRange,
      { segment_range: { network_type: 'NETWORK_TYPE_VXLAN', minimum: 5_000, maximum: 6_000 }, ...fresh },
      {
        ...common,
        segment_range: [undefined],
        'segment_range.id': ids,
        'segment_range.name': names,
        'segment_range.network_type': ['NETWORK_TYPE_UNSPECIFIED', 'NETWORK_TYPE_FLAT'],
        'segment_range.physical_network': ['physnet1', SHELL],
        'segment_range.minimum': [0],
        'segment_range.maximum': [0, 4_999, 2 ** 24, 2 ** 32 - 1],
      },
    ),
    ipam(I.getSegmentRange, {}, { id: ids }),
    ipam(I.listSegmentRanges, {}, page),
    ipam(I.deleteSegmentRange, { id: randomUUID(), ...fresh }, { ...common, id: ids }),
    ipam(
      I.allocateSegment,
      { network_type: 'NETWORK_TYPE_VXLAN', owner_id: 'fuzz', ...fresh },
      {
        ...common,
        network_type: ['NETWORK_TYPE_UNSPECIFIED', 'NETWORK_TYPE_FLAT'],
        owner_id: ['', SHELL],
        segmentation_id: [2 ** 24, 2 ** 32 - 1],
        physical_network: ['physnet1'],
      },
    ),
    ipam(I.releaseSegment, fresh, { ...common, owner_id: ['', SHELL] }),

    topology(
      T.registerHost,
      { host: newHost },
      {
        host: [undefined],
        'host.id': ['', ...hosts],
        'host.vtep_address': ['', ...ips],
        'host.udp_port': [65_536, 2 ** 32 - 1],
        'host.driver': ['DRIVER_UNSPECIFIED'],
        'host.underlay_mtu': [1, 2 ** 32 - 1],
        'host.labels': [{ [SHELL]: 'x' }, { ok: 'a\u0000b' }],
        'host.agent_version': names,
        lease: [{ nanos: 1 }, { seconds: '-5' }, { seconds: '99999' }],
      },
    ),
    topology(T.renewHostLease, {}, { host_id: ['', ...hosts] }),
    topology(
      T.createHost,
      { host: newHost, ...fresh },
      { ...common, host: [undefined], 'host.id': hosts, 'host.vtep_address': ips },
    ),
    topology(T.getHost, {}, { id: hosts }),
    topology(T.listHosts, {}, page),
    topology(
      T.updateHost,
      { host: { id: host, labels: { a: 'b' } }, update_mask: { paths: ['labels'] }, ...fresh },
      { ...common, 'host.id': hosts, 'host.labels': [{ [SHELL]: 'x' }], update_mask: masks },
    ),
    topology(T.deleteHost, { ...fresh, force: true }, { ...common, id: hosts }),
    topology(
      T.createNetwork,
      { network: { network_type: 'NETWORK_TYPE_VXLAN' }, ...fresh },
      {
        ...common,
        network: [undefined],
        'network.id': ids,
        'network.name': names,
        'network.segmentation_id': [2 ** 24, 2 ** 32 - 1],
        'network.physical_network': ['physnet1'],
        'network.mtu': [1, 67, 65_536, 2 ** 32 - 1],
        'network.labels': [{ [SHELL]: 'x' }],
      },
    ),
    topology(T.getNetwork, {}, { id: ids }),
    topology(T.listNetworks, {}, { ...page, name: names }),
    topology(
      T.updateNetwork,
      { network: { id: network, name: 'renamed' }, update_mask: { paths: ['name'] }, ...fresh },
      { ...common, 'network.id': ids, 'network.name': names, update_mask: masks },
    ),
    topology(T.deleteNetwork, { id: randomUUID(), ...fresh }, { ...common, id: ids }),
    topology(
      T.createPort,
      { port: { network_id: network }, ...fresh },
      {
        ...common,
        port: [undefined],
        'port.id': ids,
        'port.network_id': ['', ...ids],
        'port.name': names,
        'port.mac_address': macs,
        'port.fixed_ips': ips.map((ip_address) => [{ subnet_id: '', ip_address }]),
        'port.allowed_address_pairs': [
          [{ mac_address: 'x', ip_address: '10.0.0.1' }],
          [{ mac_address: '', ip_address: SHELL }],
          [{ mac_address: '', ip_address: '10.0.0.1/8' }],
        ],
        'port.device_id': names,
        'port.device_owner': names,
        'port.binding_host_id': hosts,
      },
    ),
    topology(T.getPort, {}, { id: ids }),
    topology(T.listPorts, {}, { ...page, network_id: ids, binding_host_id: hosts, name: names }),
    topology(
      T.updatePort,
      { port: { id: port, name: 'renamed' }, update_mask: { paths: ['name'] }, ...fresh },
      { ...common, port: [undefined], 'port.id': ids, 'port.name': names, update_mask: masks },
    ),
    topology(T.deletePort, { id: randomUUID(), ...fresh }, { ...common, id: ids }),
    topology(
      T.reportPortUp,
      { host_id: host, device_name: 'tap0' },
      { host_id: ['', ...hosts], device_name: devices, port_id: ids, mac_address: macs, network_id: ids },
    ),
    topology(
      T.reportPortDown,
      { host_id: host, port_id: randomUUID() },
      { host_id: hosts, port_id: ['', ...ids], device_name: devices },
    ),
    topology(
      T.reportPortFailed,
      { host_id: host, port_id: randomUUID(), message: 'no' },
      { host_id: hosts, port_id: ['', ...ids], message: ['', 'x'.repeat(100_000)] },
    ),
    topology(T.watch, {}, { resume_token: tokens, kinds: [['RESOURCE_KIND_UNSPECIFIED']] }),

    l2pop(L.getNetworkState, {}, { network_id: ids }),
    l2pop(L.listNetworkStates, {}, page),
    l2pop(L.listForwardingEntries, { network_id: network }, { ...page, network_id: ids }),
    l2pop(L.getSnapshot, {}, { network_id: ids }),
    l2pop(
      L.listChanges,
      { network_id: network },
      { network_id: ids, since_revision: ['18446744073709551615', '9007199254740993'] },
    ),
    l2pop(L.watch, { network_id: network }, { network_id: ids, since_revision: ['18446744073709551615'] }),
    l2pop(
      L.waitForConvergence,
      { network_id: network },
      {
        network_id: ids,
        revision: ['18446744073709551615'],
        timeout: [{ seconds: '-1' }, { seconds: '601' }, { seconds: '315576000000' }],
      },
    ),
    l2pop(
      L.reportHostState,
      { host_id: host, networks: [] },
      {
        host_id: ['', ...hosts],
        networks: [
          [{ network_id: 'x', revision: '1', digest: '', digest_revision: '0', drift_repaired: 0 }],
          [
            {
              network_id: network,
              revision: '18446744073709551615',
              digest: '',
              digest_revision: '0',
              drift_repaired: 0,
            },
          ],
          [{ network_id: network, revision: '0', digest: SHELL, digest_revision: '0', drift_repaired: 0 }],
          [
            {
              network_id: network,
              revision: '0',
              digest: '0123456789abcdef',
              digest_revision: '18446744073709551615',
              drift_repaired: 0,
            },
          ],
        ],
      },
    ),

    agent(A.plan, {}, { network_id: ids }),
    agent(A.apply, {}, { network_id: ids }),
    agent(A.getForwardingTable, {}, { network_id: ids }),
    agent(A.listFloodDestinations, {}, { network_id: ids }),
    agent(
      A.addFloodDestination,
      { network_id: network, vtep_address: '192.0.2.77' },
      { network_id: ids, vtep_address: [...ips, '2001:db8::1'] },
    ),
    agent(
      A.removeFloodDestination,
      { network_id: network, vtep_address: '192.0.2.77' },
      { network_id: ids, vtep_address: ips },
    ),
    agent(A.attachPort, { port_id: port, device_name: 'tap0' }, { port_id: ids, device_name: ['', ...devices] }),
    agent(A.detachPort, {}, { port_id: ids }),
    agent(A.watchEvents, {}, { kinds: [['EVENT_KIND_UNSPECIFIED']] }),
    agent(A.resync, {}, { network_id: ids }),
    agent(A.getPortSecurity, {}, { port_id: ids }),
    ...routerCases({ network, subnet, port, host }),
  ];
  return cases.flatMap(({ service, method, request, spoil }) =>
    Object.entries(spoil).flatMap(([field, values]) =>
      values.map((value) => ({
        service,
        method,
        bytes: protos.encode(protos.requestOf(method), replaced(request, field.split('.'), value)),
        field: field.split('.').at(-1) ?? '',
        title: `${method.path} ${field} = ${shown(value)}`,
      })),
    ),
  );
};

const replaced = (
  target: Readonly<Record<string, unknown>>,
  [head = '', ...rest]: readonly string[],
  value: unknown,
): Record<string, unknown> => ({
  ...target,
  [head]: rest.length === 0 ? value : replaced(target[head] as Record<string, unknown>, rest, value),
});

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};
