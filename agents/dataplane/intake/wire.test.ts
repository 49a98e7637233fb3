import { describe, expect, test } from 'vitest';
import { ForwardingDelta } from '#proto/weft/event/v1/event.ts';
import type { DomainError } from '#platform/errors/domain-error.ts';
import { parseDelta } from './wire.ts';

const entry = {
  port_id: '0a1b2c3d-4455-4677-8899-aabbccddeeff',
  mac_address: 'fa:16:3e:00:00:01',
  ip_addresses: ['172.16.1.5'],
  vtep: { host_id: 'h2', address: '192.0.2.2', udp_port: 4789 },
  generation: '1',
};
const set = (over: Partial<typeof entry> = {}) => ({ change: { $case: 'set' as const, value: { ...entry, ...over } } });

const read = (delta: Partial<ForwardingDelta>) => {
  const bad: DomainError[] = [];
  const parsed = parseDelta(ForwardingDelta.fromPartial({ cause: 'test', ...delta }), (error) => bad.push(error));
  return { parsed, bad };
};

describe('a delta from the bus', () => {
  test('is read with its changes in order', () => {
    const { parsed, bad } = read({ base_revision: '4', revision: '5', changes: [set()] });
    expect(parsed).toMatchObject({
      baseRevision: 4n,
      revision: 5n,
      changes: [{ kind: 'set', entry: { generation: 1n } }],
    });
    expect(bad).toEqual([]);
  });

  test('may say no more than that there is something to be fetched', () => {
    expect(read({ base_revision: '5', revision: '5' }).parsed).toMatchObject({ baseRevision: 5n, revision: 5n });
  });

  test.each([
    ['0', '18446744073709551615'],
    ['4', '7'],
    ['5', '4'],
  ])('is refused when it leads from %s to %s with two changes', (base_revision, revision) => {
    expect(() => read({ base_revision, revision, changes: [set(), set()] })).toThrow(/revision/);
  });

  test.each([
    ['a MAC address', { mac_address: 'fa:16:3e:00:00:01; reboot' }],
    ['an address', { ip_addresses: ['172.16.1.5/24'] }],
    ['a port id', { port_id: '../x' }],
    ['a VTEP', { vtep: { host_id: 'h2', address: 'h2', udp_port: 4789 } }],
    ['a UDP port', { vtep: { host_id: 'h2', address: '192.0.2.2', udp_port: 70_000 } }],
  ])('with a bad entry, %s that is none, loses that entry and no other', (_what, over) => {
    const { parsed, bad } = read({ base_revision: '4', revision: '5', changes: [set(over), set()] });
    expect(parsed.changes).toHaveLength(1);
    expect(bad).toMatchObject([{ code: 'invalid' }]);
  });
});
