import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { commandOf } from '../../model/operation.ts';
import type { OverlayText } from '../model/parse.ts';
import type { OverlayRecord } from '../model/spec.ts';
import type { FakeHost } from '../testing/fake-host.ts';
import { arbitraryOverlay, EXAMPLE, exampleHost, recordOf } from '../testing/overlays.ts';
import { planOverlay } from './plan.ts';
import { planRemoval } from './removal.ts';

const snapshot = (host: FakeHost): unknown =>
  structuredClone({ links: host.links, bridges: host.bridges, ports: host.ports });

/** Plans, does it, and looks again. */
const applied = (record: OverlayRecord, host: FakeHost): readonly string[] => {
  const { steps, problems } = planOverlay(record, host, 'auto');
  expect(problems).toEqual([]);
  host.apply(steps);
  expect(planOverlay(record, host, 'auto').steps.map(commandOf)).toEqual([]);
  return steps.map(commandOf);
};

const problemsOf = (text: OverlayText, host: FakeHost): readonly string[] =>
  planOverlay(recordOf(text, host), host, 'auto').problems.map(({ message }) => message);

describe('the plan of an overlay', () => {
  test('is the commands that people type, with marks and the MTU', () => {
    const host = exampleHost();
    expect(applied(recordOf(EXAMPLE, host), host)).toEqual([
      'ovs-vsctl add-br ovs_sw0 -- set Bridge ovs_sw0 external_ids:weft-overlay=blue -- set Interface ovs_sw0 mtu_request=1450',
      'ip addr add 10.100.0.1/8 dev ovs_sw0',
      'ip link set dev ovs_sw0 up',
      'ovs-vsctl add-port ovs_sw0 vxlan0 -- set Interface vxlan0 type=vxlan options:remote_ip=192.168.10.164' +
        ' -- set Port vxlan0 external_ids:weft-overlay=blue',
      'ip link add veth_sw0 type veth peer name veth_d0',
      'ip link set dev veth_sw0 mtu 1450 alias weft:overlay:blue',
      'ip link set dev veth_d0 mtu 1450 alias weft:overlay:blue',
      'ovs-vsctl add-port ovs_sw0 veth_sw0 -- set Port veth_sw0 external_ids:weft-overlay=blue',
      'ip link set dev veth_d0 master docker0',
      'ip link set dev veth_sw0 up',
      'ip link set dev veth_d0 up',
    ]);
  });

  test('says what differs from the defaults, and turns the checksum trap of the userspace datapath off', () => {
    const host = exampleHost();
    host.datapathTypes = ['netdev'];
    host.ovsBridge('br-phy');
    host.ovsPort('br-phy', 'phy', 'internal');
    for (let n = 160; n < 170; n += 1) host.route(`192.168.10.${n.toString()}`, 'phy', 9000);
    const peers = [164, 165].map((n) => ({ device_name: '', remote_address: `192.168.10.${n.toString()}` }));
    const text = { ...EXAMPLE, vni: 70, udp_port: 8472, local_address: '192.168.10.163', peers };
    const commands = applied(recordOf(text, host), host);
    expect(commands[0]).toContain('set Bridge ovs_sw0 datapath_type=netdev external_ids:weft-overlay=blue');
    expect(commands[0]).toContain('mtu_request=8950');
    expect(commands).toContain(
      'ovs-vsctl add-port ovs_sw0 vxlan1 -- set Interface vxlan1 type=vxlan options:remote_ip=192.168.10.165' +
        ' options:key=70 options:dst_port=8472 options:local_ip=192.168.10.163' +
        ' -- set Port vxlan1 protected=true external_ids:weft-overlay=blue',
    );
    expect(commands).toContain('ethtool -K veth_d0 tx off');
  });

  test('takes any host to any version of the overlay in one round, and then has nothing left to do', () => {
    fc.assert(
      fc.property(fc.array(arbitraryOverlay, { minLength: 1, maxLength: 4 }), (versions) => {
        const host = exampleHost();
        let before: OverlayRecord | undefined;
        for (const text of versions) {
          const record = recordOf(text, host, before);
          applied(record, host);
          before = { ...record, retired: [] };
        }
      }),
      { numRuns: 500 },
    );
  });

  test('arrives at the same host whichever version was there before', () => {
    fc.assert(
      fc.property(arbitraryOverlay, arbitraryOverlay, (first, last) => {
        const [there, fresh] = [exampleHost(), exampleHost()];
        const before = recordOf(first, there);
        applied(before, there);
        const record = recordOf(last, there, before);
        applied(record, there);
        applied(record, fresh);
        const essence = (host: FakeHost): unknown => ({
          bridges: [...host.bridges.keys()],
          links: [...host.links.values()]
            .map(({ name, up, mtu, master, alias, link, addresses }) => ({
              ...{ name, up, master, alias, link },
              // The kernel lowers no bridge here, and a device keeps the MTU that it was given last.
              mtu: name.startsWith('veth') || name === 'wide' ? mtu : 0,
              addresses: addresses.map(({ text }) => text).sort(),
            }))
            .sort((a, b) => a.name.localeCompare(b.name)),
          ports: [...host.ports.values()].sort((a, b) => a.name.localeCompare(b.name)),
        });
        expect(essence(there)).toEqual(essence(fresh));
      }),
      { numRuns: 300 },
    );
  });

  test('an edit changes only what differs', () => {
    const host = exampleHost();
    const before = recordOf(EXAMPLE, host);
    applied(before, host);
    const more = { ...EXAMPLE, peers: [...EXAMPLE.peers, { device_name: '', remote_address: '192.168.10.165' }] };
    const edited = recordOf(more, host, before);
    expect(applied(edited, host)).toEqual([
      'ovs-vsctl set Port vxlan0 protected=true',
      'ovs-vsctl add-port ovs_sw0 vxlan1 -- set Interface vxlan1 type=vxlan options:remote_ip=192.168.10.165' +
        ' -- set Port vxlan1 protected=true external_ids:weft-overlay=blue',
    ]);
    const moved = recordOf({ ...more, addresses: ['10.100.0.9/8'], peers: more.peers.slice(1) }, host, edited);
    expect(applied(moved, host)).toEqual([
      'ip addr del 10.100.0.1/8 dev ovs_sw0',
      'ip addr add 10.100.0.9/8 dev ovs_sw0',
      'ovs-vsctl del-port ovs_sw0 vxlan0',
      'ovs-vsctl set Port vxlan1 protected=false',
    ]);
    expect(
      applied(
        recordOf({ ...more, addresses: ['10.100.0.9/8'], vni: 7, peers: more.peers.slice(1) }, host, moved),
        host,
      ),
    ).toEqual(['ovs-vsctl set Interface vxlan1 options:key=7']);
  });

  test('two peers that change places are never behind the same tunnel', () => {
    const host = exampleHost();
    const peers = (a: string, b: string) => [
      { device_name: 'vxlan0', remote_address: a },
      { device_name: 'vxlan1', remote_address: b },
    ];
    const before = recordOf({ ...EXAMPLE, peers: peers('192.168.10.164', '192.168.10.165') }, host);
    applied(before, host);
    applied(recordOf({ ...EXAMPLE, peers: peers('192.168.10.165', '192.168.10.164') }, host, before), host);
    expect(host.ports.get('vxlan0')?.options.get('remote_ip')).toBe('192.168.10.165');
  });

  test('deleting takes away what was made and nothing else', () => {
    fc.assert(
      fc.property(fc.array(arbitraryOverlay, { minLength: 1, maxLength: 3 }), (versions) => {
        const host = exampleHost();
        host.ovsBridge('other');
        host.ovsPort('other', 'gre0', 'gre');
        const before = snapshot(host);
        let last: OverlayRecord | undefined;
        for (const text of versions) {
          const record = recordOf(text, host, last);
          applied(record, host);
          last = { ...record, retired: [] };
        }
        const { steps, problems } = planRemoval(recordOf(EXAMPLE, host).spec.name, host);
        expect(problems).toEqual([]);
        host.apply(steps);
        expect(snapshot(host)).toEqual(before);
      }),
    );
  });

  test('a device that somebody else put into the bridge is let go; what would end with the bridge keeps it', () => {
    const host = exampleHost();
    const { spec } = recordOf(EXAMPLE, host);
    applied(recordOf(EXAMPLE, host), host);
    host.links.set('tap7', { name: 'tap7', kind: 'tun', up: true, mtu: 1500, addresses: [] });
    host.ovsPort('ovs_sw0', 'tap7');
    const { steps, released } = planRemoval(spec.name, host);
    expect(released).toEqual([{ bridge: 'ovs_sw0', port: 'tap7' }]);
    expect(steps.map(commandOf)).toContain('ovs-vsctl del-port ovs_sw0 tap7');
    host.ovsPort('ovs_sw0', 'gre0', 'gre');
    const refused = planRemoval(spec.name, host);
    expect(refused.problems.map(({ message }) => message)).toEqual([
      'bridge ovs_sw0 has ports of others that would end with it: gre0 (gre); remove them first',
    ]);
    expect(refused.steps.filter(({ ovs }) => ovs?.kind === 'delete-bridge')).toEqual([]);
  });

  test.each([
    [
      'a bridge of that name',
      (host: FakeHost) => {
        host.ovsBridge('ovs_sw0');
      },
      "bridge ovs_sw0 exists and is not weft's",
    ],
    [
      "another overlay's bridge",
      (host: FakeHost) => {
        host.ovsBridge('ovs_sw0', 'red');
      },
      'belongs to overlay red',
    ],
    [
      'a Linux bridge of that name',
      (host: FakeHost) => {
        host.linuxBridge('ovs_sw0');
      },
      'is no bridge of Open vSwitch but a bridge',
    ],
  ] as const)('does nothing where there is %s', (_, prepare, words) => {
    const host = exampleHost();
    prepare(host);
    const { steps, problems } = planOverlay(recordOf(EXAMPLE, host), host, 'auto');
    expect(steps).toEqual([]);
    expect(problems.map(({ reason }) => reason)).toEqual(['FOREIGN_DEVICE']);
    expect(problems[0]?.message).toContain(words);
  });

  test('takes up a pair that an agent left half made, and no other', () => {
    const host = exampleHost();
    host.veth('veth_sw0', 'veth_d0');
    const text = {
      ...EXAMPLE,
      links: [{ bridge_name: 'docker0', device_name: 'veth_sw0', peer_device_name: 'veth_d0', subnets: [] }],
    };
    expect(applied(recordOf(text, host), host)).not.toContain('ip link add veth_sw0 type veth peer name veth_d0');
    const used = exampleHost();
    used.veth('veth_sw0', 'veth_d0');
    used.apply([{ kind: '', key: '', reason: '', argv: ['ip', 'link', 'set', 'dev', 'veth_sw0', 'up'] }]);
    expect(problemsOf(text, used)[0]).toContain("veth_sw0 exists and is not overlay blue's");
  });

  test('the wide network contains the subnets behind the links, or both are named', () => {
    const host = exampleHost();
    host.linuxBridge('docker0', '172.17.0.1/16');
    expect(problemsOf({ ...EXAMPLE, addresses: ['10.100.0.1/16'] }, host)[0]).toContain(
      "10.100.0.0/16 does not contain docker0's 172.17.0.0/16",
    );
    const subnets = [
      { ...EXAMPLE.links[0], bridge_name: 'br-b', device_name: '', peer_device_name: '', subnets: ['10.101.0.0/16'] },
    ];
    expect(problemsOf({ ...EXAMPLE, addresses: ['10.100.0.1/16'], links: subnets }, host)[0]).toContain(
      "10.100.0.0/16 does not contain br-b's 10.101.0.0/16",
    );
    expect(problemsOf({ ...EXAMPLE, addresses: [] }, host)).toEqual([]);
  });

  test('the MTU is what the underlay leaves; too small an underlay is told with both numbers', () => {
    expect(planOverlay(recordOf(EXAMPLE, exampleHost(9000)), exampleHost(9000), 'auto').mtu).toBe(8950);
    const six = { ...EXAMPLE, peers: [{ device_name: '', remote_address: '2001:db8::64' }] };
    expect(planOverlay(recordOf(six, exampleHost()), exampleHost(), 'auto').mtu).toBe(1430);
    expect(problemsOf({ ...EXAMPLE, mtu: 1500 }, exampleHost())[0]).toBe(
      'overlay.mtu: 1500 and 50 bytes of VXLAN over IPv4 need an underlay MTU of 1550 towards 192.168.10.164, eth0 has 1500',
    );
    expect(problemsOf({ ...EXAMPLE, addresses: ['fd00::1/64'] }, exampleHost(1320))[0]).toContain(
      'at least 1280 and 50 bytes of VXLAN over IPv4 need an underlay MTU of 1330 towards 192.168.10.164, eth0 has 1320',
    );
  });

  test('a peer must be elsewhere, and there must be a way to it', () => {
    const host = exampleHost();
    host.route('192.168.10.164', 'lo', 65_536, true);
    expect(problemsOf(EXAMPLE, host)[0]).toContain('192.168.10.164 is an address of this host itself');
    host.routes.clear();
    expect(problemsOf(EXAMPLE, host)[0]).toContain('this host has no route to 192.168.10.164');
  });

  test('an address that another device has is not given twice', () => {
    expect(problemsOf({ ...EXAMPLE, addresses: ['10.1.0.1/8'] }, exampleHost())).toEqual([
      'overlay.addresses[0]: 10.1.0.1 is an address of docker0 already',
    ]);
  });

  test('a tunnel must not lead into itself', () => {
    const host = exampleHost();
    const inside = { ...EXAMPLE, peers: [{ device_name: '', remote_address: '10.9.0.2' }] };
    const route = (prefixLength: number, device = 'eth0'): void => {
      host.routes.set(parseIp('to', '10.9.0.2'), { device, mtu: 1500, isLocal: false, prefixLength });
    };
    route(0);
    expect(problemsOf(inside, host)[0]).toContain(
      "10.9.0.2 lies in the overlay's own 10.0.0.0/8, and this host has no narrower",
    );
    route(24);
    expect(problemsOf(inside, host)).toEqual([]);
    route(24, 'ovs_sw0');
    expect(problemsOf(inside, host)[0]).toContain('the tunnel would lead into itself');
  });

  test('the userspace datapath needs its underlay among the ports of Open vSwitch', () => {
    const host = exampleHost();
    host.datapathTypes = ['netdev'];
    expect(problemsOf(EXAMPLE, host)[0]).toContain('eth0, which leads to 192.168.10.164, is none');
    host.datapathTypes = [];
    expect(problemsOf(EXAMPLE, host)[0]).toContain('start it');
    host.datapathTypes = ['netdev'];
    expect(planOverlay(recordOf(EXAMPLE, host), host, 'system').problems[0]?.reason).toBe('DATAPATH_UNAVAILABLE');
  });

  test('waits for a bridge that is not there, and links it when it is', () => {
    const host = exampleHost();
    const record = recordOf(EXAMPLE, host);
    host.delete('docker0');
    const { steps, problems } = planOverlay(record, host, 'auto');
    expect(problems.map(({ message }) => message)).toEqual([
      'overlay.links[0].bridge_name: this host has no bridge docker0',
    ]);
    host.apply(steps);
    expect(planOverlay(record, host, 'auto').steps).toEqual([]);
    host.linuxBridge('docker0', '10.1.0.1/16');
    expect(applied(record, host)).toEqual(['ip link set dev veth_d0 master docker0']);
  });

  test.each<readonly [string, (host: FakeHost) => void, readonly string[]]>([
    [
      'a tunnel is deleted',
      (host) => {
        host.ports.delete('vxlan0');
      },
      ['ovs-vsctl add-port ovs_sw0 vxlan0'],
    ],
    [
      'the veth leaves its bridge',
      (host) => {
        delete host.links.get('veth_d0')?.master;
      },
      ['ip link set dev veth_d0 master docker0'],
    ],
    [
      'the veth leaves the overlay',
      (host) => {
        host.ports.delete('veth_sw0');
      },
      ['ovs-vsctl add-port ovs_sw0 veth_sw0'],
    ],
    [
      'the bridge is set to fail secure',
      (host) => {
        const bridge = host.bridges.get('ovs_sw0');
        if (bridge) bridge.failMode = 'secure';
      },
      ['ovs-vsctl set-fail-mode ovs_sw0 standalone'],
    ],
    [
      'the pair is deleted',
      (host) => {
        host.delete('veth_sw0');
      },
      [
        'ovs-vsctl del-port ovs_sw0 veth_sw0',
        'ip link add veth_sw0',
        'ip link set dev veth_sw0 mtu 1450 alias',
        'ip link set dev veth_d0 mtu 1450 alias',
        'ovs-vsctl add-port ovs_sw0 veth_sw0',
        'ip link set dev veth_d0 master docker0',
        'ip link set dev veth_sw0 up',
        'ip link set dev veth_d0 up',
      ],
    ],
    [
      "the bridge's device is deleted",
      (host) => {
        host.delete('ovs_sw0');
      },
      [
        'ovs-vsctl del-br ovs_sw0',
        'ovs-vsctl add-br ovs_sw0',
        'ip addr add 10.100.0.1/8 dev ovs_sw0',
        'ip link set dev ovs_sw0 up',
        'ovs-vsctl add-port ovs_sw0 vxlan0',
        'ovs-vsctl add-port ovs_sw0 veth_sw0',
      ],
    ],
  ])('%s: what is missing is made again', (_, damage, starts) => {
    const host = exampleHost();
    const record = recordOf(EXAMPLE, host);
    applied(record, host);
    damage(host);
    const repaired = applied(record, host);
    expect(repaired.length).toBe(starts.length);
    for (const [at, start] of starts.entries()) expect(repaired[at]).toContain(start);
  });
});
