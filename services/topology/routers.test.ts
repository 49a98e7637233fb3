import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseUuid } from '#platform/net/names.ts';
import {
  FloatingIp,
  type Network,
  ResourceKind,
  Router,
  type WatchResponse,
} from '#proto/weft/topology/v1/topology.ts';
import { makeNetwork, makePort, plainly } from './testing/messages.ts';
import { openStage, type Stage, type TopologyClient } from './testing/stage.ts';

let stage: Stage;
let topology: TopologyClient;
let routers: Stage['routers'];

beforeAll(async () => {
  stage = await openStage(1);
  const [first] = stage.clients;
  if (first === undefined) throw new Error('a replica was asked for');
  topology = first;
  ({ routers } = stage);
});

afterAll(() => stage[Symbol.asyncDispose]());

const subnetOf = ({ id }: Network, prefix: string): string => {
  const subnetId = randomUUID();
  stage.ipam.withoutDhcp.add(parseUuid('id', subnetId));
  stage.ipam.addSubnet(parseUuid('id', id), parseUuid('id', subnetId), prefix);
  return subnetId;
};

const make = async (rest: Partial<Router> = {}): Promise<Router> =>
  await routers.createRouter({ router: Router.fromPartial(rest), ...plainly });

const on = (router: Router, subnet: string) => ({ router_id: router.id, subnet_id: subnet, port_id: '', ...plainly });

/** Kinds and ids of what a watcher is told first. */
const snapshot = async (kinds: ResourceKind[]): Promise<readonly string[]> => {
  const stream = topology.watch({ kinds, resume_token: '' })[Symbol.asyncIterator]();
  const seen: string[] = [];
  try {
    for (;;) {
      const next: IteratorResult<WatchResponse> = await stream.next();
      const resource = next.done === true ? undefined : next.value.resource;
      if (resource === undefined) return seen;
      seen.push(`${resource.$case} ${resource.value.id}`);
    }
  } finally {
    await stream.return?.();
  }
};

describe('a router', () => {
  test('is made, watched, listed by pages, changed by a mask, and deleted', async () => {
    const outside = await makeNetwork(topology, { external: true, shared: true });
    expect(outside).toMatchObject({ external: true, shared: true });
    subnetOf(outside, '172.32.0');
    const inside = await makeNetwork(topology);
    const subnet = subnetOf(inside, '10.1.0');
    const name = `r ${randomUUID()}`;
    const request = {
      router: Router.fromPartial({ name, external_gateway: { network_id: outside.id } }),
      request_id: randomUUID(),
      validate_only: false,
    };
    const router = await routers.createRouter(request);
    expect(await routers.createRouter(request)).toEqual(router);
    expect(router).toMatchObject({
      name,
      admin_state_up: true,
      external_gateway: { network_id: outside.id, fixed_ips: [{ ip_address: '172.32.0.2' }], enable_snat: true },
      status: 'STATUS_BUILD',
      binding_host_id: '',
      revision_number: '1',
    });
    expect(router.status_message).not.toBe('');
    const plugged = await routers.addRouterInterface(on(router, subnet));
    expect(plugged.interfaces).toMatchObject([{ network_id: inside.id, fixed_ips: [{ ip_address: '10.1.0.1' }] }]);
    await expect(
      topology.deletePort({ id: plugged.interfaces[0]?.port_id ?? '', etag: '', ...plainly }),
    ).rejects.toMatchObject({ code: 'precondition', reason: 'PORT_IN_USE' });

    const others = await Promise.all([make({ name }), make({ name })]);
    const listed: string[] = [];
    let token = '';
    do {
      const page = await routers.listRouters({ name, page_size: 2, page_token: token });
      listed.push(...page.routers.map(({ id }) => id));
      token = page.next_page_token;
    } while (token !== '');
    expect(listed).toEqual([router, ...others].map(({ id }) => id).sort());
    expect(await snapshot([ResourceKind.RESOURCE_KIND_ROUTER])).toContain(`router ${router.id}`);

    const route = { destination: '10.9.0.0/16', nexthop: '10.1.0.9' };
    const wanted = Router.fromPartial({ id: router.id, etag: plugged.etag, routes: [route], name: 'ignored' });
    const changed = await routers.updateRouter({ router: wanted, update_mask: ['routes'], ...plainly });
    expect(changed).toMatchObject({ name, routes: [route], external_gateway: plugged.external_gateway });
    await expect(routers.updateRouter({ router: wanted, update_mask: ['routes'], ...plainly })).rejects.toMatchObject({
      code: 'conflict',
      reason: 'ETAG_MISMATCH',
    });
    await routers.updateRouter({
      router: Router.fromPartial({ id: router.id }),
      update_mask: ['routes', 'external_gateway'],
      ...plainly,
    });
    await routers.removeRouterInterface(on(router, subnet));
    for (const { id } of [router, ...others]) await routers.deleteRouter({ id, etag: '', ...plainly });
    await expect(routers.getRouter({ id: router.id })).rejects.toMatchObject({ reason: 'ROUTER_NOT_FOUND' });
    expect(stage.ipam.addresses.size).toBe(0);
  });
});

describe('a floating IP', () => {
  test('is made, watched, listed, led elsewhere, and deleted', async () => {
    const outside = await makeNetwork(topology, { external: true });
    subnetOf(outside, '172.33.0');
    const inside = await makeNetwork(topology);
    const subnet = subnetOf(inside, '10.2.0');
    const router = await make({ external_gateway: { network_id: outside.id, fixed_ips: [], port_id: '' } });
    await routers.addRouterInterface(on(router, subnet));
    const [a, b] = [await makePort(topology, inside.id), await makePort(topology, inside.id)];
    const floating_ip = FloatingIp.fromPartial({ floating_network_id: outside.id, port_id: a.id });
    const made = await routers.createFloatingIp({ floating_ip, ...plainly });
    expect(made).toMatchObject({
      floating_ip_address: '172.33.0.3',
      port_id: a.id,
      fixed_ip_address: a.fixed_ips[0]?.ip_address,
      router_id: router.id,
      status: 'STATUS_ACTIVE',
    });
    expect(await routers.getFloatingIp({ id: made.id })).toEqual(made);
    const listing = await routers.listFloatingIps({ page_size: 0, page_token: '' });
    expect(listing.floating_ips).toEqual([made]);
    expect(await snapshot([ResourceKind.RESOURCE_KIND_FLOATING_IP])).toEqual([`floating_ip ${made.id}`]);
    const lead = async (rest: Partial<FloatingIp>, update_mask: string[]) =>
      await routers.updateFloatingIp({
        floating_ip: FloatingIp.fromPartial({ id: made.id, ...rest }),
        update_mask,
        ...plainly,
      });
    expect(await lead({ port_id: b.id }, ['port_id'])).toMatchObject({ fixed_ip_address: b.fixed_ips[0]?.ip_address });
    expect(await lead({}, [])).toMatchObject({ port_id: '', router_id: '', status: 'STATUS_DOWN' });
    await routers.deleteFloatingIp({ id: made.id, etag: '', ...plainly });
    await expect(routers.getFloatingIp({ id: made.id })).rejects.toMatchObject({ reason: 'FLOATING_IP_NOT_FOUND' });
  });
});

describe('a bad request', () => {
  const router = (rest: object) => () => routers.createRouter({ router: Router.fromPartial(rest), ...plainly });
  const floating = (rest: object) => () =>
    routers.createFloatingIp({
      floating_ip: FloatingIp.fromPartial({ floating_network_id: randomUUID(), ...rest }),
      ...plainly,
    });
  const add = (rest: object) => () =>
    routers.addRouterInterface({ router_id: randomUUID(), subnet_id: '', port_id: '', ...plainly, ...rest });
  const route = (destination: string, nexthop: string) => router({ routes: [{ destination, nexthop }] });

  test.each<readonly [string, () => Promise<unknown>]>([
    ['router', () => routers.createRouter({ ...plainly })],
    ['router.id', router({ id: 'x' })],
    ['router.name', router({ name: 'a\nb' })],
    ['router.binding_host_id', router({ binding_host_id: '../x' })],
    ['router.binding_host_id', router({ binding_host_id: 'a', admin_state_up: false })],
    ['router.external_gateway.network_id', router({ external_gateway: {} })],
    [
      'router.external_gateway.fixed_ips[0].ip_address',
      router({ external_gateway: { network_id: randomUUID(), fixed_ips: [{ ip_address: '224.0.0.1' }] } }),
    ],
    ['router.routes[0].destination', route('10.0.0.1/24', '10.0.0.2')],
    ['router.routes[0].nexthop', route('10.0.0.0/24', '::2')],
    ['router.routes[0].nexthop', route('10.0.0.0/24', '10.9.9.9')],
    [
      'update_mask',
      () =>
        routers.updateRouter({ router: Router.fromPartial({ id: randomUUID() }), update_mask: ['status'], ...plainly }),
    ],
    ['router_id', add({ router_id: 'x' })],
    ['subnet_id', add({})],
    ['port_id', add({ subnet_id: randomUUID(), port_id: randomUUID() })],
    ['floating_ip', () => routers.createFloatingIp({ ...plainly })],
    ['floating_ip.floating_network_id', floating({ floating_network_id: 'x' })],
    ['floating_ip.floating_ip_address', floating({ floating_ip_address: '2001:db8::1' })],
    ['floating_ip.port_id', floating({ port_id: 'x' })],
    ['floating_ip.fixed_ip_address', floating({ fixed_ip_address: '10.0.0.1' })],
    ['page_size', () => routers.listRouters({ page_size: -1, page_token: '', name: '' })],
    ['page_token', () => routers.listFloatingIps({ page_size: 1, page_token: 'x' })],
    ['port.device_owner', () => makePort(topology, randomUUID(), { device_owner: 'network:dhcp' })],
  ])('names %s, and changes nothing', async (field, call) => {
    const error: unknown = await call().catch((thrown: unknown) => thrown);
    if (!(error instanceof DomainError)) throw new Error('it was not refused');
    expect(error.code).toBe('invalid');
    expect(error.violations.map((violation) => violation.field)).toEqual([field]);
  });
});

describe('whatever is sent', () => {
  const known = randomUUID();
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('', 'a', '$(reboot)', '\u0000', 'x'.repeat(100_000), known, known.toUpperCase()),
    fc.constantFrom('10.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/64', '0.0.0.0/0', '"1"'),
  );
  const how = fc.record({ request_id: text, validate_only: fc.boolean() });
  const mask = fc.array(fc.oneof(text, fc.constantFrom('name', 'routes', 'external_gateway', 'port_id', '*')));
  const fixed_ips = fc.array(fc.record({ subnet_id: text, ip_address: text }));
  const router = fc
    .record({
      id: text,
      name: text,
      binding_host_id: text,
      etag: text,
      external_gateway: fc.option(fc.record({ network_id: text, fixed_ips }), { nil: undefined }),
      routes: fc.array(fc.record({ destination: text, nexthop: text })),
    })
    .map((fields) => Router.fromPartial(fields));
  const floating = fc
    .record({ id: text, floating_network_id: text, floating_ip_address: text, port_id: text, fixed_ip_address: text })
    .map((fields) => FloatingIp.fromPartial(fields));
  const choice = fc.record({ router_id: text, subnet_id: text, port_id: text });
  const calls: fc.Arbitrary<() => Promise<unknown>> = fc.oneof(
    fc.tuple(router, how).map(
      ([given, asked]) =>
        () =>
          routers.createRouter({ router: given, ...asked }),
    ),
    fc.tuple(router, mask, how).map(
      ([given, named, asked]) =>
        () =>
          routers.updateRouter({ router: given, update_mask: named, ...asked }),
    ),
    fc.tuple(choice, how).map(
      ([given, asked]) =>
        () =>
          routers.addRouterInterface({ ...given, ...asked }),
    ),
    fc.tuple(choice, how).map(
      ([given, asked]) =>
        () =>
          routers.removeRouterInterface({ ...given, ...asked }),
    ),
    fc.tuple(floating, how).map(
      ([given, asked]) =>
        () =>
          routers.createFloatingIp({ floating_ip: given, ...asked }),
    ),
    fc.tuple(floating, mask, how).map(
      ([given, named, asked]) =>
        () =>
          routers.updateFloatingIp({ floating_ip: given, update_mask: named, ...asked }),
    ),
    fc.tuple(text, text, how).map(
      ([id, etag, asked]) =>
        () =>
          routers.deleteRouter({ id, etag, ...asked }),
    ),
    fc.tuple(text, text, how).map(
      ([id, etag, asked]) =>
        () =>
          routers.deleteFloatingIp({ id, etag, ...asked }),
    ),
    text.map((id) => () => routers.getRouter({ id })),
    text.map((page_token) => () => routers.listFloatingIps({ page_size: 1, page_token })),
  );

  test('is answered, or refused with a reason, and never by a defect; nothing is held for nobody', async () => {
    const before = stage.ipam.held;
    await fc.assert(
      fc.asyncProperty(fc.array(calls, { minLength: 1, maxLength: 10 }), async (some) => {
        for (const outcome of await Promise.allSettled(some.map((call) => call()))) {
          if (outcome.status === 'fulfilled') continue;
          const reason: unknown = outcome.reason;
          if (!(reason instanceof DomainError)) throw new Error('not a DomainError', { cause: reason });
          expect(['invalid', 'not_found', 'exists', 'conflict', 'precondition']).toContain(reason.code);
          if (reason.reason === 'INVALID_FIELD') expect(reason.violations).toHaveLength(1);
        }
      }),
      { numRuns: 150 },
    );
    expect(stage.ipam.held).toEqual(before);
  });
});
