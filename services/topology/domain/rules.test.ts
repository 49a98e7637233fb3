import { describe, expect, test } from 'vitest';
import { parseUuid, type HostId } from '#platform/net/names.ts';
import { type Binding, unbound } from './binding.ts';
import { derivedId } from './derived-id.ts';
import { isIdle } from './errand.ts';
import { isBeingDeleted, unmarked } from './lifetime.ts';
import { checkSegment } from './network.ts';
import { statusOf } from './port.ts';

const host = 'a' as HostId;
const bound: Binding = { hostId: host, generation: 1, claims: {} };
const gone: Binding = { generation: 2, claims: {} };

describe('the status of a port', () => {
  test.each([
    { name: 'never bound', binding: unbound, admin: true, network: true, status: 'build' },
    { name: 'never bound and taken down', binding: unbound, admin: false, network: true, status: 'build' },
    { name: 'bound', binding: bound, admin: true, network: true, status: 'active' },
    { name: 'bound and taken down', binding: bound, admin: false, network: true, status: 'down' },
    { name: 'bound in a network taken down', binding: bound, admin: true, network: false, status: 'down' },
    { name: 'bound no more', binding: gone, admin: true, network: true, status: 'down' },
    { name: 'refused', binding: { ...bound, failure: 'no' }, admin: true, network: true, status: 'error' },
  ])('$name is $status', ({ binding, admin, network, status }) => {
    expect(statusOf({ binding, adminStateUp: admin }, network)).toBe(status);
  });
});

describe('a segment', () => {
  test.each([
    { type: 'vxlan', segmentationId: 0, physicalNetwork: '' },
    { type: 'vxlan', segmentationId: 16_777_215, physicalNetwork: '' },
    { type: 'flat', segmentationId: 0, physicalNetwork: 'provider' },
    { type: 'vlan', segmentationId: 4_094, physicalNetwork: 'physnet-1' },
  ] as const)('may be $type $segmentationId on "$physicalNetwork"', (segment) => {
    expect(() => {
      checkSegment(segment);
    }).not.toThrow();
  });

  test.each([
    { type: 'vxlan', segmentationId: 16_777_216, physicalNetwork: '', field: 'segmentation_id' },
    { type: 'vxlan', segmentationId: 1, physicalNetwork: 'provider', field: 'physical_network' },
    { type: 'flat', segmentationId: 1, physicalNetwork: 'provider', field: 'segmentation_id' },
    { type: 'flat', segmentationId: 0, physicalNetwork: '', field: 'physical_network' },
    { type: 'vlan', segmentationId: 4_095, physicalNetwork: 'provider', field: 'segmentation_id' },
    { type: 'vlan', segmentationId: 1, physicalNetwork: 'a b', field: 'physical_network' },
  ] as const)('cannot be $type $segmentationId on "$physicalNetwork"', ({ field, ...segment }) => {
    expect(() => {
      checkSegment(segment);
    }).toThrow(`network.${field}`);
  });
});

test('a derived id is a UUID, the same for the same texts and another for others', () => {
  const id = derivedId('CreatePort', '1');
  expect(parseUuid('id', id)).toBe(id);
  // Kept over versions: a retry may come from a client that was answered by an older one.
  expect(id).toBe('ad08a673-f497-5e38-9a6b-1240e9b55f6b');
  expect(derivedId('CreatePort', '1')).toBe(id);
  expect(derivedId('CreatePort', '2')).not.toBe(id);
  expect(derivedId('CreatePort1', '')).not.toBe(id);
});

test('a deletion mark stands until its time is over', () => {
  const marked = { name: 'x', deletion: { token: 't', until: 10 } };
  expect([isBeingDeleted(marked, 9), isBeingDeleted(marked, 10), isBeingDeleted({}, 0)]).toEqual([true, false, false]);
  expect(unmarked(marked)).toEqual({ name: 'x' });
  const plain: typeof marked | { readonly name: string; readonly deletion?: never } = { name: 'x' };
  expect(unmarked(plain)).toBe(plain);
});

test('an errand that somebody is at is left alone, but for what any number may do', () => {
  const begun = { token: 't', at: 0, trace: {} };
  const id = derivedId('x');
  const release = { ...begun, kind: 'release', holder: { kind: 'network', id } } as const;
  expect([isIdle(release, 9_999), isIdle(release, 10_000)]).toEqual([false, true]);
  expect(isIdle({ ...begun, kind: 'restate', networkId: id }, 0)).toBe(true);
});
