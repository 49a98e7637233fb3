import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { isObject } from './nft-match.ts';
import { readNft, type NftRuleset } from './nft.ts';
import type { Packet } from './packet.ts';
import { findBlock } from './walk.ts';

const fixture = (name: string): string => readFileSync(path.join(import.meta.dirname, 'testing', name), 'utf8');

/** What nft 1.0.6 printed of one ruleset, with `-j` and with `-a`. */
const recorded = (): NftRuleset => {
  const root: unknown = JSON.parse(fixture('ruleset.json'));
  const listed: unknown = isObject(root) ? root['nftables'] : [];
  return { json: Array.isArray(listed) ? listed.filter(isObject) : [], text: fixture('ruleset.nft') };
};

const packet = (wish: Partial<Packet> & { readonly from?: string }): Packet => ({
  version: 4,
  way: 'in',
  inDevice: 'eth0',
  outDevice: '',
  udpPort: 4789,
  ...wish,
  ...(wish.from !== undefined && { source: parseIp('from', wish.from) }),
});

const block = (wish: Parameters<typeof packet>[0]) => findBlock(readNft(recorded(), packet(wish)), ['input']);

describe('a ruleset that was recorded', () => {
  test.each([
    ['a source in a range of a named set', { from: '192.0.2.5' }],
    ['a source in a prefix of a named set', { from: '10.255.0.1' }],
    ['a port in a range', { from: '203.0.113.1', udpPort: 1500 }],
    ['the loopback device', { from: '203.0.113.1', inDevice: 'lo' }],
  ])('lets in %s', (_what, wish) => {
    expect(block(wish)).toBeUndefined();
  });

  test.each([
    // Neither the rate limit before it, nor the mark, is held against the packet: they may let it pass, or not.
    ['by a verdict map', { from: '203.0.113.1' }, 'udp dport vmap { 22 : jump more, 4789 : drop }'],
    ['by a reject without conditions', { from: '203.0.113.1', udpPort: 53 }, 'reject with icmpx admin-prohibited'],
    ['outside of the ranges', { from: '192.0.2.10' }, 'udp dport vmap { 22 : jump more, 4789 : drop }'],
    ['of the other IP version', { version: 6, from: '2001:db8::1', udpPort: 53 }, 'reject with icmpx admin-prohibited'],
  ] as const)('drops %s, by that very rule', (_what, wish, by) => {
    expect(block(wish)).toMatchObject({
      by,
      base: { name: 'in' },
      table: { tool: 'nft', name: 'inet f' },
      unless: 'meta mark & 0x000000ff == 0x00000001 accept',
    });
  });
});

const ruleset = (...objects: readonly object[]): NftRuleset => ({
  text: '',
  json: [{ table: { family: 'ip', name: 't' } }, ...objects.filter(isObject)],
});
const chain = (name: string, more: object): object => ({ chain: { family: 'ip', table: 't', name, ...more } });
const rule = (chainName: string, ...expr: readonly object[]): object => ({
  rule: { family: 'ip', table: 't', chain: chainName, handle: 1, expr },
});
const input = (policy: string, prio = 0): object => ({ type: 'filter', hook: 'input', prio, policy });

const ask = (rules: NftRuleset): string | undefined =>
  findBlock(readNft(rules, packet({})), ['prerouting', 'input'])?.by;

test('a packet that one base chain accepts still meets the next', () => {
  const rules = [chain('late', input('drop', 10)), chain('early', input('accept')), rule('early', { accept: null })];
  expect(ask(ruleset(...rules))).toBe('policy drop of chain late');
});

test('comes back from a chain that says nothing, and not from one that it was sent to for good', () => {
  const back = [
    chain('in', input('drop')),
    chain('more', {}),
    rule('in', { jump: { target: 'more' } }),
    rule('in', { accept: null }),
  ];
  expect(ask(ruleset(...back))).toBeUndefined();
  const gone = [
    chain('in', input('drop')),
    chain('more', {}),
    rule('in', { goto: { target: 'more' } }),
    rule('in', { accept: null }),
  ];
  expect(ask(ruleset(...gone))).toBe('policy drop of chain in');
});

test('chains that change packets, tables of another family and hooks elsewhere have no say', () => {
  const rules = [
    chain('nat', { type: 'nat', hook: 'prerouting', prio: -100, policy: 'drop' }),
    chain('out', { type: 'filter', hook: 'output', prio: 0, policy: 'drop' }),
    { table: { family: 'ip6', name: 't6' } },
    { chain: { family: 'ip6', table: 't6', name: 'in', ...input('drop') } },
  ];
  expect(ask(ruleset(...rules))).toBeUndefined();
});

test('chains that call each other for ever end', () => {
  const rules = [chain('in', input('drop')), rule('in', { jump: { target: 'in' } })];
  expect(ask(ruleset(...rules))).toBe('policy drop of chain in');
});
