import { describe, expect, test } from 'vitest';
import type { Entry } from './ledger.ts';
import { IDS, networkHost } from './testing/network-host.ts';
import { thingsOf, type Thing } from './things.ts';

const things = (entries: readonly Entry[] = []): readonly Thing[] => thingsOf(networkHost(), entries);

const find = (kind: Thing['kind'], name: string, entries: readonly Entry[] = []): Thing | undefined =>
  things(entries).find((thing) => thing.kind === kind && thing.name === name);

const changed = (kind: Thing['kind'], name: string, namespace = ''): Entry => ({
  thing: { kind, name, namespace },
  count: 1,
  changes: [
    {
      ...{ time: 5, traceId: 't', cause: 'control plane: CreatePort', caller: '', command: 'ip link', reason: 'r' },
      object: { kind: 'port', id: IDS.VM },
    },
  ],
});

describe('what is on a host', () => {
  test.each([
    ['device', 'brq0a1b2c3d-44', 'bridge of network blue'],
    ['device', 'vxlan-70', 'VXLAN device of network blue: VNI 70 from 192.0.2.1, in bridge brq0a1b2c3d-44'],
    [
      'device',
      'tap66aa1ee8-9b',
      'host end of the veth whose other end ns-66aa1ee8-9b is the DHCP server of network blue, in bridge brq0a1b2c3d-44',
    ],
    [
      'device',
      'ns-66aa1ee8-9b',
      'the DHCP server of network blue with 172.16.1.2/24; its other end is tap66aa1ee8-9b, in bridge brq0a1b2c3d-44',
    ],
    [
      'device',
      'qg-88888888-88',
      'the gateway of router r1 with 172.32.0.10/24; its other end is tap88888888-88, in bridge brqeeee2c3d-44',
    ],
    [
      'device',
      'tap77777777-77',
      'host end of the veth whose other end qr-77777777-77 is an interface of router r1, in bridge brq0a1b2c3d-44',
    ],
    [
      'device',
      'tap11111111-11',
      'device of port vm1 (guest vm-1, fa:16:3e:00:00:01, 172.16.1.10), made by somebody else and plugged by weft, in bridge brq0a1b2c3d-44',
    ],
    ['device', 'docker0', "not weft's: bridge; by its name it is Docker's; its addresses are 172.17.0.1/16"],
    [
      'device',
      'vnet7',
      'not weft\'s: tap of a program, in bridge brq0a1b2c3d-44; its alias is "my own"; by its name it is libvirt\'s',
    ],
    ['device', 'eth0', "not weft's: interface; it bears this host's VTEP address 192.0.2.1"],
    ['device', 'eth1', "not weft's: interface, in bridge brqeeee2c3d-44; it leads to physical network provider"],
    ['namespace', `qdhcp-${IDS.BLUE}`, 'network namespace of DHCP of network blue'],
    ['namespace', 'mine', "not weft's: a network namespace"],
    [
      'process',
      `dnsmasq qdhcp-${IDS.BLUE}`,
      `dnsmasq serves DHCP and DNS for DHCP of network blue in namespace qdhcp-${IDS.BLUE}; its process id is 4711`,
    ],
    ['rule', 'fdb vxlan-70', 'MAC addresses behind other hosts: rows of vxlan-70 for network blue'],
    ['rule', 'nft ip weft nat', `chain of nftables for router r1 in namespace qrouter-${IDS.ROUTER}`],
    [
      'rule',
      'route default',
      `route default via 172.32.0.1 dev qg-88888888-88 for router r1 in namespace qrouter-${IDS.ROUTER}`,
    ],
    ['rule', 'nft bridge weft', 'table of nftables with 1 chain'],
  ] as const)('%s %s', (kind, name, description) => {
    expect(find(kind, name)).toMatchObject({ description, present: true });
  });

  test("a firewall of somebody else is nobody's business", () => {
    expect(find('rule', 'nft inet firewalld')).toBeUndefined();
  });

  test('an object is served by all that has to do with it', () => {
    const serving = (kind: string, id: string): readonly string[] =>
      things()
        .filter(({ related }) => related.some((each) => each.kind === kind && each.id === id))
        .map(({ name }) => name)
        .filter((name) => !/^(nft|route|lo$)/.test(name));
    expect(serving('router', IDS.ROUTER)).toEqual([
      ...['tap77777777-77', 'tap88888888-88', 'qr-77777777-77', 'qg-88888888-88', `qrouter-${IDS.ROUTER}`],
    ]);
    expect(serving('network', IDS.OUTSIDE)).toEqual(['brqeeee2c3d-44', 'tap88888888-88', 'qg-88888888-88']);
    expect(serving('port', IDS.VM)).toEqual(['tap11111111-11']);
  });

  test('what was made and is not there any more is told of', () => {
    const gone = find('device', 'tap22222222-22', [changed('device', 'tap22222222-22')]);
    expect(gone).toMatchObject({
      isOurs: true,
      present: false,
      description: 'device that weft made or changed for port vm1',
    });
  });

  test('a device that was moved into a namespace keeps its record', () => {
    const all = things([changed('device', 'ns-66aa1ee8-9b')]).filter(({ name }) => name === 'ns-66aa1ee8-9b');
    expect(all).toHaveLength(1);
    expect(all[0]).toMatchObject({ namespace: `qdhcp-${IDS.BLUE}`, present: true, count: 1 });
  });
});
