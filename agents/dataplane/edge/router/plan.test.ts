import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RouterDuty } from '../../model/router-duty.ts';
import { parseFlows } from './conntrack.ts';
import { wantedRouter } from './desired.ts';
import { planRouter, planRouterRemoval } from './plan.ts';
import type { ObservedRouter } from './plan.ts';
import { asWanted } from './testing/as-wanted.ts';
import { floatingAddress, idOf, routedSubnet, routerDuty, servedPort, staticRoute } from './testing/duty.ts';

const PLACE = { folder: '/var/lib/weft/agent/routers/a0' };
const NOTHING: ObservedRouter = {
  ...{ edge: { namespace: undefined, taps: new Map() }, table: undefined, flows: [] },
  radvd: { config: undefined, running: 'no' },
};

const kindsOf = (duty: RouterDuty, observed: ObservedRouter): readonly string[] =>
  planRouter(wantedRouter(duty), observed, PLACE).map(({ kind }) => kind);

/** Routers of up to four networks inside, with or without gateway, floating addresses, routes and IPv6. */
const anyDuty = fc
  .record({
    inside: fc.uniqueArray(fc.integer({ min: 1, max: 4 })),
    hasGateway: fc.boolean(),
    enableSnat: fc.boolean(),
    hasIpv6: fc.boolean(),
    floating: fc.uniqueArray(fc.integer({ min: 2, max: 250 }), { maxLength: 5 }),
    hasRoute: fc.boolean(),
  })
  .map(({ inside, hasGateway, enableSnat, hasIpv6, floating, hasRoute }): RouterDuty => {
    const { gateway, ...rest } = routerDuty();
    return {
      ...rest,
      ...(hasGateway && gateway !== undefined && { gateway }),
      enableSnat,
      interfaces: inside.map((n) =>
        servedPort(n, 0xe0 + n, [`10.0.${n.toString()}.1/24`, ...(hasIpv6 ? [`2001:db8:${n.toString()}::1/64`] : [])]),
      ),
      subnets: inside.map((n) => routedSubnet(0xe0 + n, `2001:db8:${n.toString()}::/64`, 'slaac')),
      routes: hasRoute ? [staticRoute('192.0.2.0/24', '10.0.1.9')] : [],
      floating: hasGateway
        ? floating.map((n) => floatingAddress(n, `172.32.0.${n.toString()}`, `10.0.1.${n.toString()}`))
        : [],
    };
  });

describe('the plan of a router', () => {
  test('a router that is as wanted needs nothing, whatever order its duty comes in', () => {
    fc.assert(
      fc.property(anyDuty, (duty) => {
        expect(kindsOf(duty, asWanted(wantedRouter(duty)))).toEqual([]);
        const reversed: RouterDuty = {
          ...duty,
          interfaces: duty.interfaces.toReversed(),
          floating: duty.floating.toReversed(),
        };
        expect(wantedRouter(reversed)).toEqual(wantedRouter(duty));
      }),
    );
  });

  test('from any router to any other, only the table of changed rules is written, and once', () => {
    fc.assert(
      fc.property(anyDuty, anyDuty, (before, after) => {
        const writes = kindsOf(after, asWanted(wantedRouter(before))).filter((kind) => kind === 'write-nft-table');
        const isSame = wantedRouter(before).table.join() === wantedRouter(after).table.join();
        expect(writes).toHaveLength(isSame ? 0 : 1);
      }),
    );
  });

  test('the table is there before any link is up, and its namespace before the table', () => {
    const kinds = kindsOf(routerDuty(), NOTHING);
    expect(kinds.indexOf('add-namespace')).toBe(0);
    expect(kinds.indexOf('write-nft-table')).toBeGreaterThan(kinds.lastIndexOf('add-veth'));
    expect(kinds.indexOf('write-nft-table')).toBeLessThan(kinds.indexOf('set-up'));
  });

  test('a table that was flushed or changed is written again, for a reason that says what is wrong', () => {
    const wanted = wantedRouter(routerDuty());
    const seen = asWanted(wanted);
    const reasonFor = (table: readonly string[] | undefined): string =>
      planRouter(wanted, { ...seen, table }, PLACE)
        .map(({ reason }) => reason)
        .join();
    expect(reasonFor(undefined)).toBe('table inet weft is not there');
    expect(reasonFor(wanted.table.filter((line) => !line.startsWith('ip daddr')))).toMatch(
      /^table inet weft lacks: ip daddr/,
    );
    expect(reasonFor([...wanted.table, 'drop'])).toBe('table inet weft has what it should not: drop');
  });

  test('another nft that lists in other words is believed', () => {
    const wanted = wantedRouter(routerDuty());
    const listed = wanted.table.map((line) => line.replace('status & dnat != dnat', 'status ! dnat'));
    expect(planRouter(wanted, { ...asWanted(wanted), table: listed }, { ...PLACE, asListed: listed })).toEqual([]);
  });

  test('connections of an address that moves are forgotten, right after the table', () => {
    const moved = wantedRouter(routerDuty({ floating: [floatingAddress(0xf1, '172.32.0.150', '172.16.1.8')] }));
    const seen = { ...asWanted(moved), table: wantedRouter(routerDuty()).table };
    const steps = planRouter(moved, seen, PLACE);
    expect(steps.map(({ kind }) => kind)).toEqual(['write-nft-table', 'delete-flows', 'delete-flows']);
    expect(steps[1]?.reason).toBe('172.32.0.150 leads to 172.16.1.8 now');
    expect(steps[1]?.argv.slice(4)).toEqual(['conntrack', '-D', '-f', 'ipv4', '--orig-dst', '172.32.0.150']);
  });

  test('connections that an agent left that died between table and conntrack are forgotten too', () => {
    const wanted = wantedRouter(routerDuty());
    const flows = parseFlows(
      'src=192.0.2.1 dst=172.32.0.150 sport=1 dport=2 src=172.16.1.99 dst=192.0.2.1 sport=2 dport=1',
    );
    const steps = planRouter(wanted, { ...asWanted(wanted), flows }, PLACE);
    expect(steps.map(({ kind }) => kind)).toEqual(['delete-flows', 'delete-flows']);
  });

  test('radvd is started, told of changes, and ended where nothing is advertised or its namespace went', () => {
    const interfaces = [servedPort(1, 0xe1, ['2001:db8:1::1/64'])];
    const subnets = [routedSubnet(0xe1, '2001:db8:1::/64', 'slaac')];
    const duty = routerDuty({ interfaces, subnets });
    const wanted = wantedRouter(duty);
    const seen = asWanted(wanted);
    const of = (radvd: ObservedRouter['radvd']): readonly string[] => kindsOf(duty, { ...seen, radvd });
    expect(of({ config: undefined, running: 'no' })).toEqual(['write-radvd-config', 'start-radvd']);
    expect(of({ config: 'other', running: 'here' })).toEqual(['write-radvd-config', 'reload-radvd']);
    expect(of({ config: wanted.radvd, running: 'elsewhere' })).toEqual(['end-radvd', 'start-radvd']);
    const without = wantedRouter(routerDuty());
    const steps = planRouter(without, { ...asWanted(without), radvd: seen.radvd }, PLACE);
    expect(steps.map(({ kind }) => kind)).toEqual(['end-radvd', 'remove-radvd-config']);
  });
});

test('a router that goes answers for no address before anything else of it goes', () => {
  const seen = { ...asWanted(wantedRouter(routerDuty())), radvd: { config: 'x', running: 'here' as const } };
  const steps = planRouterRemoval(idOf(0xa0), seen, PLACE.folder, 'it is elsewhere now');
  expect(steps.map(({ kind }) => kind)).toEqual([
    ...['delete-veth', 'delete-veth', 'delete-veth'],
    ...['end-radvd', 'remove-radvd-config', 'delete-namespace'],
  ]);
  expect(planRouterRemoval(idOf(0xa0), NOTHING, PLACE.folder, 'it is elsewhere now')).toEqual([]);
});
