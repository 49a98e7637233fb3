import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DigestEntry,
  digestOf,
  digestOfRows,
  entryRows,
  fdbRow,
  floodRow,
  formatDigest,
  neighbourRow,
  NO_ROWS,
  parseDigest,
  rowHash,
  xor,
} from './forwarding-digest.ts';

const hosts = ['a', 'b', 'c'] as const;

const arbitraryEntries = fc
  .uniqueArray(fc.nat(200), { maxLength: 20 })
  .chain((numbers) => fc.tuple(...numbers.map((n) => fc.constantFrom(...hosts).map((host) => entry(n, host)))));

const entry = (n: number, host: string): DigestEntry => ({
  mac: `fa:16:3e:00:00:${n.toString(16).padStart(2, '0')}`,
  ips: [`10.0.0.${n.toString()}`, `2001:db8::${n.toString(16)}`],
  vtep: { hostId: host, address: `192.0.2.${(host.charCodeAt(0) - 96).toString()}` },
});

describe('the digest of forwarding rows', () => {
  test('hashes a row as the first 16 hexadecimal digits of its SHA-1', () => {
    const row = fdbRow('fa:16:3e:00:00:01', '192.0.2.1');
    expect(row).toBe('fdb fa:16:3e:00:00:01 192.0.2.1');
    expect(formatDigest(rowHash(row))).toBe(createHash('sha1').update(row).digest('hex').slice(0, 16));
  });

  test('is sixteen digits also when the number is small, and is read back', () => {
    expect(formatDigest(NO_ROWS)).toBe('0000000000000000');
    expect(parseDigest('00000000000000ff')).toBe(255n);
    for (const bad of ['', 'ff', '00000000000000FF', '00000000000000fg', '000000000000000ff']) {
      expect(parseDigest(bad)).toBeUndefined();
    }
  });

  test('names exactly the rows of other hosts: unicast, neighbours, and one flood row per host', () => {
    const entries = [entry(1, 'a'), entry(2, 'b'), entry(3, 'b')];
    const rows = [
      fdbRow('fa:16:3e:00:00:02', '192.0.2.2'),
      neighbourRow('10.0.0.2', 'fa:16:3e:00:00:02'),
      neighbourRow('2001:db8::2', 'fa:16:3e:00:00:02'),
      ...entryRows(entry(3, 'b')),
      floodRow('192.0.2.2'),
    ];
    expect(digestOf(entries, 'a')).toBe(digestOfRows(rows));
  });

  test('does not depend on the order of the entries', () => {
    fc.assert(
      fc.property(arbitraryEntries, fc.constantFrom(...hosts), (entries, host) => {
        expect(digestOf(entries.toReversed(), host)).toBe(digestOf(entries, host));
      }),
    );
  });

  test('of a host is the whole table without its own rows', () => {
    fc.assert(
      fc.property(arbitraryEntries, fc.constantFrom(...hosts), (entries, host) => {
        const own = digestOf(entries.filter((one) => one.vtep.hostId === host));
        expect(digestOf(entries, host)).toBe(xor(digestOf(entries), own));
      }),
    );
  });

  test('changes when any address of any entry changes', () => {
    fc.assert(
      fc.property(arbitraryEntries, fc.nat(), (entries, at) => {
        const changed = entries[at % Math.max(entries.length, 1)];
        fc.pre(changed !== undefined);
        const others = entries.filter((one) => one !== changed);
        expect(digestOf([...others, { ...changed, ips: ['10.9.9.9'] }])).not.toBe(digestOf(entries));
        expect(digestOf([...others, { ...changed, mac: 'fa:16:3e:ff:ff:ff' }])).not.toBe(digestOf(entries));
      }),
    );
  });
});
