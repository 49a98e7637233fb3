import { describe, expect, test } from 'vitest';
import type { Operation } from '../../model/operation.ts';
import { HOST } from '../../testing/worlds.ts';
import { planBase } from './base-plan.ts';
import type { ObservedBase, ObservedTunnel } from './base-plan.ts';
import { baseFlows } from './flows.ts';
import { BRIDGE_MARK } from './marks.ts';
import { BASE_COOKIE, TABLES } from './pipeline.ts';
import { SITE } from './testing/one-network.ts';
import { tunnelOptions } from './tunnel.ts';

const NOTHING: ObservedBase = { tunnels: new Map(), flows: [] };

const tunnel = (udpPort: number, more: Partial<ObservedTunnel> = {}): [string, ObservedTunnel] => [
  `vxlan-udp${udpPort.toString()}`,
  { type: 'vxlan', options: new Map(Object.entries(tunnelOptions(HOST, udpPort))), isOurs: true, ...more },
];

const bridge: NonNullable<ObservedBase['bridge']> = {
  datapathType: 'netdev',
  failMode: 'secure',
  protocols: [],
  ids: new Map([[BRIDGE_MARK, HOST.hostId]]),
  wasOurs: true,
  tables: new Map(Object.entries(TABLES).map(([name, table]) => [table, name])),
};

const RIGHT: ObservedBase = { bridge, tunnels: new Map([tunnel(4789)]), flows: baseFlows() };

const commandsFor = (observed: ObservedBase): readonly string[] =>
  planBase(SITE, 'netdev', observed).map(({ argv }) => argv.join(' '));

test('makes all of it where there is nothing: first the bridge, secure from its first moment', () => {
  const operations = planBase(SITE, 'netdev', NOTHING);
  const kinds = operations.map(({ kind }) => kind);
  expect(kinds).toEqual(['add-bridge', 'name-tables', 'add-port', ...baseFlows().map(() => 'add-flow')]);
  expect(operations[0]?.argv.join(' ')).toBe(
    'ovs-vsctl add-br br-int -- set Bridge br-int datapath_type=netdev fail_mode=secure external_ids:weft-host=h1',
  );
  const rest = operations.slice(1).map(({ needs }: Operation) => needs);
  expect(rest).toEqual(rest.map(() => ['bridge br-int']));
});

test('does nothing where all is right', () => {
  expect(commandsFor(RIGHT)).toEqual([]);
});

describe('puts right', () => {
  const cases: readonly (readonly [string, ObservedBase, readonly string[]])[] = [
    [
      'a bridge that carries frames without flows',
      { ...RIGHT, bridge: { ...bridge, failMode: 'standalone' } },
      ['ovs-vsctl set Bridge br-int fail_mode=secure'],
    ],
    [
      'a bridge of the other datapath',
      { ...RIGHT, bridge: { ...bridge, datapathType: 'system' } },
      ['ovs-vsctl set Bridge br-int datapath_type=netdev'],
    ],
    [
      'a bridge that does not speak our version',
      { ...RIGHT, bridge: { ...bridge, protocols: ['OpenFlow10', 'OpenFlow13'] } },
      ['ovs-vsctl set Bridge br-int protocols=OpenFlow10,OpenFlow13,OpenFlow15'],
    ],
    [
      'a bridge of a host that had another name',
      { ...RIGHT, bridge: { ...bridge, ids: new Map([[BRIDGE_MARK, 'h0']]) } },
      ['ovs-vsctl set Bridge br-int external_ids:weft-host=h1'],
    ],
    [
      'a bridge that lost the mark it had',
      { ...RIGHT, bridge: { ...bridge, ids: new Map() } },
      ['ovs-vsctl set Bridge br-int external_ids:weft-host=h1'],
    ],
    [
      'the name of a table',
      { ...RIGHT, bridge: { ...bridge, tables: new Map([...bridge.tables, [TABLES.flood, 'x']]) } },
      ['ovs-vsctl -- --id=@t40 create Flow_Table name=flood -- set Bridge br-int flow_tables:40=@t40'],
    ],
    [
      'the tunnel of another address',
      { ...RIGHT, tunnels: new Map([tunnel(4789, { options: new Map([['local_ip', '192.0.2.9']]) })]) },
      [
        'ovs-vsctl set Interface vxlan-udp4789 type=vxlan options:remote_ip=flow options:key=flow ' +
          'options:local_ip=192.0.2.1 options:dst_port=4789',
      ],
    ],
    [
      'a tunnel of another kind, to another UDP port',
      { ...RIGHT, tunnels: new Map([tunnel(4789), tunnel(8472, { type: 'geneve' })]) },
      [
        'ovs-vsctl set Interface vxlan-udp8472 type=vxlan options:remote_ip=flow options:key=flow ' +
          'options:local_ip=192.0.2.1 options:dst_port=8472',
      ],
    ],
    [
      'a flow that is missing',
      { ...RIGHT, flows: baseFlows().filter(({ table }) => table !== TABLES.anti_spoof) },
      ['ovs-ofctl -O OpenFlow15 add-flow br-int cookie=0x7765667400000000,table=10,priority=0 actions=goto_table:20'],
    ],
    [
      'a flow that does something else',
      {
        ...RIGHT,
        flows: baseFlows().map((flow) => (flow.table === TABLES.classify ? { ...flow, gotoTable: 40 } : flow)),
      },
      ['ovs-ofctl -O OpenFlow15 add-flow br-int cookie=0x7765667400000000,table=0,priority=0 actions=drop'],
    ],
    [
      'a flow too many',
      { ...RIGHT, flows: [...baseFlows(), { cookie: BASE_COOKIE, table: 5, priority: 9, match: {}, actions: [] }] },
      ['ovs-ofctl -O OpenFlow15 --strict del-flows br-int table=5,priority=9'],
    ],
  ];

  test.each(cases)('%s', (_what, observed, commands) => {
    expect(commandsFor(observed)).toEqual(commands);
  });
});

describe('refuses, and changes nothing', () => {
  test('a bridge of somebody else', () => {
    const observed = { ...RIGHT, bridge: { ...bridge, ids: new Map(), wasOurs: false } };
    expect(() => planBase(SITE, 'netdev', observed)).toThrow(
      expect.objectContaining({ code: 'precondition', reason: 'FOREIGN_BRIDGE' }) as Error,
    );
  });

  test.each([4789, 8472])('a port of somebody else by the name of the tunnel to UDP port %d', (udpPort) => {
    const observed = { ...RIGHT, tunnels: new Map([tunnel(udpPort, { isOurs: false })]) };
    expect(() => planBase(SITE, 'netdev', observed)).toThrow(
      expect.objectContaining({ code: 'precondition', reason: 'FOREIGN_DEVICE' }) as Error,
    );
  });
});
