import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contains, parseCidr } from '#platform/net/cidr.ts';
import { ipToBigInt, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { LocalPort } from '../../model/intent.ts';
import { SPOOF_REASONS } from '../../model/port-security.ts';
import { allowedSenders } from '../../plan/port-security.ts';
import { arbitraryWorld, intentOf, NETWORK } from '../../testing/worlds.ts';
import type { FlowSpec } from './flow-spec.ts';
import { baseFlows, macNumber, networkFlows } from './flows.ts';
import { guardFlows, spoofReasonOf } from './guard-flows.ts';
import { TABLES } from './pipeline.ts';
import { sentOf } from './testing/frames.ts';
import type { Fields } from './testing/frames.ts';

const DEVICE = 'tap11111111-11';
const OWN = parseMac('mac', 'fa:16:3e:00:00:01');
const VIRTUAL = parseMac('mac', '00:00:5e:00:01:01');
const PORT: LocalPort = {
  portId: '11111111-1111-4111-8111-111111111111',
  device: DEVICE,
  mac: OWN,
  ips: [parseUnicastIp('ip', '172.16.1.2'), parseUnicastIp('ip', '2001:db8::2')],
  generation: 1n,
  security: {
    enabled: true,
    pairs: [
      { mac: VIRTUAL, cidr: parseCidr('cidr', '172.16.1.100/32') },
      { mac: OWN, cidr: parseCidr('cidr', '10.1.0.0/17') },
    ],
    revision: 1n,
  },
};

const flowsOf = (port: LocalPort): readonly FlowSpec[] => {
  const flows = networkFlows(NETWORK.vni);
  return [...baseFlows(), flows.fromPort(port.device), ...guardFlows(NETWORK.vni, port), ...flows.flood(['other'], [])];
};

/** Whether the frame comes out at the other guest. */
const passes = (port: LocalPort, frame: Fields): boolean => sentOf(flowsOf(port), port.device, frame).length > 0;

const ip = (text: string): bigint => ipToBigInt(parseUnicastIp('ip', text));
const [own, virtual, foreign] = [macNumber(OWN), macNumber(VIRTUAL), 0xfa16_3e00_0099n];
const from = (eth_src: bigint, fields: Fields): Fields => ({ eth_dst: 0xffff_ffff_ffffn, eth_src, ...fields });
const arp = (arp_sha: bigint, spa: string | bigint): Fields => ({
  ...{ eth_type: 0x0806n, arp_op: 2n, arp_sha, arp_spa: typeof spa === 'string' ? ip(spa) : spa, arp_tpa: 1n },
});
const udp4 = (ip_src: bigint, udp_src: bigint, udp_dst: bigint): Fields => ({
  ...{ eth_type: 0x0800n, ip_proto: 17n, ip_src, udp_src, udp_dst },
});
const udp6 = (ipv6_src: bigint, udp_src: bigint, udp_dst: bigint): Fields => ({
  ...{ eth_type: 0x86ddn, ip_proto: 17n, ipv6_src, udp_src, udp_dst },
});
const nd = (type: bigint, ipv6_src: bigint, nd_target: bigint): Fields => ({
  ...{ eth_type: 0x86ddn, ip_proto: 58n, ipv6_src, icmpv6_type: type, icmpv6_code: 0n, nd_target },
});
const OWN6 = ip('2001:db8::2');
const OTHER6 = ip('2001:db8::3');
const LINK_LOCAL = ip('fe80::f816:3eff:fe00:1');

test.each<readonly [string, Fields]>([
  ['its addresses in ARP', from(own, arp(own, '172.16.1.2'))],
  ['a probe before it has one', from(own, arp(own, 0n))],
  ['IPv4 from its address', from(own, udp4(ip('172.16.1.2'), 1n, 53n))],
  ['IPv4 from an allowed prefix', from(own, udp4(ip('10.1.127.9'), 1n, 53n))],
  ['an allowed pair', from(virtual, arp(virtual, '172.16.1.100'))],
  ['IPv4 of an allowed pair', from(virtual, udp4(ip('172.16.1.100'), 1n, 53n))],
  ['a DHCP client without an address', from(own, udp4(0n, 68n, 67n))],
  ['IPv6 from its address', from(own, udp6(OWN6, 1n, 53n))],
  ['IPv6 from its link-local address', from(own, udp6(LINK_LOCAL, 546n, 547n))],
  ['duplicate address detection', from(own, nd(135n, 0n, OWN6))],
  ['a router solicitation without an address', from(own, nd(133n, 0n, 0n))],
  ['a question for a neighbour', from(own, nd(135n, OWN6, OTHER6))],
  ['an advertisement of its address', from(own, nd(136n, OWN6, OWN6))],
  ['an advertisement of its link-local address', from(own, nd(136n, LINK_LOCAL, LINK_LOCAL))],
  ['another protocol', from(own, { eth_type: 0x88ccn })],
])('passes %s', (_name, frame) => {
  expect(passes(PORT, frame)).toBe(true);
});

test.each<readonly [string, Fields]>([
  ['another MAC address', from(foreign, udp4(ip('172.16.1.2'), 1n, 53n))],
  ['another MAC address of any protocol', from(foreign, { eth_type: 0x88ccn })],
  ['another sender in ARP', from(own, arp(own, '172.16.1.3'))],
  ['another MAC address in ARP', from(own, arp(foreign, '172.16.1.2'))],
  ['the address of a pair under its own MAC address', from(own, arp(own, '172.16.1.100'))],
  ['its own address under the MAC address of a pair', from(virtual, udp4(ip('172.16.1.2'), 1n, 53n))],
  ['another source of IPv4', from(own, udp4(ip('172.16.1.3'), 1n, 53n))],
  ['just outside of an allowed prefix', from(own, udp4(ip('10.1.128.0'), 1n, 53n))],
  ['no address but for a DHCP client', from(own, udp4(0n, 68n, 53n))],
  ['another source of IPv6', from(own, udp6(OTHER6, 1n, 53n))],
  ['another link-local address', from(own, udp6(ip('fe80::1'), 1n, 53n))],
  ['IPv6 without an address', from(own, udp6(0n, 1n, 53n))],
  ['an advertisement of another address', from(own, nd(136n, OWN6, OTHER6))],
  ['an advertisement from another address', from(own, nd(136n, OTHER6, OWN6))],
  ['detection of another’s address', from(own, nd(135n, 0n, OTHER6))],
  ['DHCP answers', from(own, udp4(ip('172.16.1.2'), 67n, 68n))],
  ['DHCPv6 answers', from(own, udp6(LINK_LOCAL, 547n, 546n))],
  ['router advertisements', from(own, nd(134n, LINK_LOCAL, 0n))],
  ['a VLAN in a VLAN', from(own, { eth_type: 0x8100n })],
])('drops %s', (_name, frame) => {
  expect(passes(PORT, frame)).toBe(false);
});

test('a port without security may send all of it', () => {
  const open = { ...PORT, security: { enabled: false, pairs: [], revision: 1n } };
  expect(guardFlows(NETWORK.vni, open)).toEqual([]);
  expect(passes(open, from(foreign, udp4(ip('172.16.1.3'), 67n, 68n)))).toBe(true);
});

test('each reason has a flow that drops for it, and flows that drop have one', () => {
  const flows = guardFlows(NETWORK.vni, PORT);
  const dropping = flows.filter(({ actions, gotoTable }) => actions.length === 0 && gotoTable === undefined);
  expect(new Set(dropping.map(spoofReasonOf))).toEqual(new Set(SPOOF_REASONS));
  expect(flows.filter((flow) => spoofReasonOf(flow) !== undefined)).toEqual(dropping);
  expect(baseFlows().filter((flow) => spoofReasonOf(flow) !== undefined)).toEqual([]);
  expect(flows.every(({ table, inPort }) => table === TABLES.anti_spoof && inPort === DEVICE)).toBe(true);
});

test('of any port, exactly the sources that it is allowed pass', () => {
  const probes = ['10.0.0.1', '10.0.0.2', '10.0.0.9', '10.9.0.77', '10.9.0.200'];
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      for (const port of intentOf(world).ports.values()) {
        const senders = allowedSenders(port);
        for (const mac of ['fa:16:3e:00:00:01', 'fa:16:3e:00:00:02', '00:00:5e:00:01:01']) {
          for (const text of probes) {
            const address = parseUnicastIp('ip', text);
            const sender = senders?.find((each) => each.mac === mac);
            const mayPass = senders === undefined || sender?.ipv4.some((cidr) => contains(cidr, address)) === true;
            const eth_src = macNumber(parseMac('mac', mac));
            expect(passes(port, from(eth_src, udp4(ipToBigInt(address), 1n, 53n)))).toBe(mayPass);
            expect(passes(port, from(eth_src, arp(eth_src, text)))).toBe(mayPass);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});
