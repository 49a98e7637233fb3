import { describe, expect, test } from 'vitest';
import { crowdOf, subjectsOf } from './subjects.ts';

const subjects = (command: string, more: Readonly<Record<string, unknown>> = {}): readonly string[] => {
  const operation = { kind: 'any', key: 'any', argv: command.split(' '), reason: 'any', ...more };
  return subjectsOf(operation).map(({ kind, name, namespace }) =>
    [kind, name, namespace === '' ? '' : `in ${namespace}`].filter((word) => word !== '').join(' '),
  );
};

describe('what a command changes', () => {
  test.each([
    ['ip link add name brq1 mtu 1450 type bridge stp_state 0', ['device brq1']],
    ['ip link add vxlan-70 type vxlan id 70 local 192.0.2.1', ['device vxlan-70']],
    ['ip link add dev eth1.7 link eth1 type vlan id 7', ['device eth1.7']],
    ['ip link set dev tap1 alias weft:port:x mtu 1450 master brq1', ['device tap1']],
    ['ip link set tap1 up', ['device tap1']],
    ['ip link del dev vxlan-70', ['device vxlan-70']],
    ['ip link add name tap1 type veth peer name ns-1', ['device tap1', 'device ns-1']],
    ['ip link add tap1 type veth peer name ns-1 netns qdhcp-1', ['device tap1', 'device ns-1 in qdhcp-1']],
    ['ip link set dev qr-1 netns qrouter-1', ['device qr-1', 'device qr-1 in qrouter-1']],
    [
      'ip -n qrouter-1 link add name qr-1 type veth peer name tap1 netns 1',
      ['device qr-1 in qrouter-1', 'device tap1 in 1'],
    ],
    ['ip -n qrouter-1 -6 address add 2001:db8::1/64 dev qr-1 nodad', ['device qr-1 in qrouter-1']],
    ['ip netns add qdhcp-1', ['namespace qdhcp-1']],
    ['ip netns del qdhcp-1', ['namespace qdhcp-1']],
    ['ip -n qrouter-1 route replace default via 172.32.0.1 dev qg-1', ['rule route default in qrouter-1']],
    ['ip netns exec qrouter-1 nft -f -', []],
    [
      'nft add table ip weft; add chain ip weft out { type nat hook postrouting priority 100; policy accept; }',
      ['rule nft ip weft', 'rule nft ip weft out'],
    ],
    [
      'nft add counter bridge weft tap1-arp; add chain bridge weft tap1; add rule bridge weft tap1 drop',
      ['rule nft bridge weft', 'rule nft bridge weft tap1'],
    ],
    ['nft delete element bridge weft ports { "tap1" }', ['rule nft bridge weft']],
    ['nft list ruleset', []],
    ['ip netns exec qdhcp-1 sysctl -w net.ipv4.conf.ns-1.rp_filter=1', ['device ns-1 in qdhcp-1']],
    [
      'sysctl -w net.ipv4.ip_forward=1 net/ipv6/conf/eth0.7/accept_ra=0',
      ['rule setting net.ipv4.ip_forward', 'device eth0.7'],
    ],
    ['ip netns exec qdhcp-1 /usr/sbin/dnsmasq --no-hosts', ['process dnsmasq qdhcp-1', 'namespace qdhcp-1']],
    ['ovs-vsctl add-br br-int -- set Bridge br-int fail_mode=secure', ['device br-int']],
    ['ovs-vsctl -- --id=@t1 create Flow_Table name=classify -- set Bridge br-int flow_tables:1=@t1', ['device br-int']],
    ['ovs-vsctl --if-exists del-port br-int tap1', ['device tap1']],
    ['ovs-vsctl add-port br-int tap1 -- set Interface tap1 mtu_request=1450', ['device tap1']],
    [
      'install -D -m 0644 /dev/stdin /etc/sysconfig/network-scripts/ifcfg-blue',
      ['file /etc/sysconfig/network-scripts/ifcfg-blue'],
    ],
    ['rm -f /etc/sysconfig/network-scripts/ifcfg-blue', ['file /etc/sysconfig/network-scripts/ifcfg-blue']],
    ['arping -U -c 1 -I qg-1 172.32.0.10', []],
    ['bridge link set dev tap1 learning off', ['device tap1']],
  ])('%s', (command, wanted) => {
    expect(subjects(command)).toEqual(wanted);
  });

  test('rows are one rule per table', () => {
    expect(subjects('bridge fdb replace fa:16:3e:00:00:01 dev vxlan-70 dst 192.0.2.2 self master static')).toEqual([
      'rule fdb vxlan-70',
    ]);
    expect(subjects('bridge fdb append 00:00:00:00:00:00 dev vxlan-70 dst 192.0.2.2 self permanent')).toEqual([
      'rule flood vxlan-70',
    ]);
    expect(subjects('ip neigh replace 172.16.1.3 lladdr fa:16:3e:00:00:01 nud permanent dev vxlan-70')).toEqual([
      'rule neighbours vxlan-70',
    ]);
  });

  test('of a file of rules on standard input the tables', () => {
    const input = 'table inet weft\ndelete table inet weft\ntable inet weft {\n chain prerouting {\n }\n}\n';
    expect(subjects('ip netns exec qrouter-1 nft -f -', { act: { kind: 'input', input } })).toEqual([
      'rule nft inet weft in qrouter-1',
    ]);
  });

  test('of a flow the command is not put together', () => {
    const operation = {
      ...{ kind: 'set-flood', key: 'any', reason: 'any', networkId: 'n1', change: { kind: 'add-flow' } },
      get argv(): readonly string[] {
        throw new Error('asked for the command');
      },
    };
    expect(subjectsOf(operation)).toEqual([{ kind: 'rule', name: 'flows of network n1', namespace: '' }]);
    expect(crowdOf(operation)).toBe('flows n1');
  });
});
