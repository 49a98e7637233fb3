import { expect, test } from 'vitest';
import { parseFlows, staleAddresses } from './conntrack.ts';

const flow = (source: string, destination: string, replySource: string, replyDestination: string): string =>
  `tcp      6 431999 ESTABLISHED src=${source} dst=${destination} sport=4242 dport=80 ` +
  `src=${replySource} dst=${replyDestination} sport=80 dport=4242 [ASSURED] mark=0 use=1\n`;

const GATEWAY = new Set(['172.32.0.101']);
const stale = (text: string, mappings: Readonly<Record<string, string>>): readonly string[] =>
  staleAddresses(parseFlows(text), new Map(Object.entries(mappings)), GATEWAY);

test('a connection through a floating address stays while the address leads where it led', () => {
  const inbound = flow('192.0.2.9', '172.32.0.150', '172.16.1.7', '192.0.2.9');
  const outbound = flow('172.16.1.7', '192.0.2.9', '192.0.2.9', '172.32.0.150');
  const hairpin = flow('172.16.1.8', '172.32.0.150', '172.16.1.7', '172.32.0.101');
  for (const each of [inbound, outbound, hairpin]) {
    expect(stale(each, { '172.32.0.150': '172.16.1.7' })).toEqual([]);
    expect(stale(each, { '172.32.0.150': '172.16.1.8' })).toEqual(['172.32.0.150']);
    expect(stale(each, {})).toEqual(['172.32.0.150']);
  }
});

test('what leaves with the address of the gateway stays, and what is not translated at all', () => {
  expect(stale(flow('172.16.1.7', '192.0.2.9', '192.0.2.9', '172.32.0.101'), {})).toEqual([]);
  expect(stale(flow('172.16.1.7', '172.16.2.9', '172.16.2.9', '172.16.1.7'), {})).toEqual([]);
});

test('what left with an address that the gateway had goes', () => {
  expect(stale(flow('172.16.1.7', '192.0.2.9', '192.0.2.9', '172.32.0.102'), {})).toEqual(['172.32.0.102']);
});

test('ICMP has no ports, and other lines are none', () => {
  const ping =
    'icmp     1 29 src=172.16.1.7 dst=198.51.100.1 type=8 code=0 id=7 src=198.51.100.1 dst=172.32.0.150 type=0 code=0 id=7 mark=0 use=1';
  expect(stale(`${ping}\nconntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n`, {})).toEqual([
    '172.32.0.150',
  ]);
});
