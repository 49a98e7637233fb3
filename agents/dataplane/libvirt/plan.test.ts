import { describe, expect, test } from 'vitest';
import type { MachineCard, NetworkDefinition, ObservedNetwork } from './observed.ts';
import { planLibvirtNetwork, planLibvirtRemoval } from './plan.ts';
import { problemOf } from './problems.ts';
import { parseLibvirtName } from './spec.ts';

const name = parseLibvirtName('name', 'blue');
const uuid = 'aaaaaaaa-0000-4000-8000-000000000001';
const wish = { name, uuid, bridge: 'br-int', openvswitch: true, autostart: true };
const right: NetworkDefinition = { uuid, forward: 'bridge', bridge: 'br-int', virtualPort: 'openvswitch' };
const wrong: NetworkDefinition = { ...right, bridge: 'br0', virtualPort: undefined };
const has = (over: Partial<ObservedNetwork> = {}): ObservedNetwork => ({
  ...{ name, defined: right, active: right, autostart: true },
  ...over,
});
const card: MachineCard = {
  ...{ domain: 'vm1', domainUuid: 'u', device: 'vnet0', mac: '52:54:00:aa:00:02', network: name },
  ...{ bridge: 'br0', interfaceId: 'p' },
};

const plan = (over: Partial<Parameters<typeof planLibvirtNetwork>[0]>): readonly string[] =>
  planLibvirtNetwork({ wish, observed: undefined, cards: [], isOurs: true, force: false, file: 'F', ...over }).map(
    ({ argv }) => argv.join(' '),
  );

describe('what makes libvirt have a network', () => {
  test('is nothing where it has it, whoever made it', () => {
    expect(plan({ observed: has(), cards: [card] })).toEqual([]);
    expect(plan({ observed: has(), isOurs: false })).toEqual([]);
  });

  test('is what is missing', () => {
    expect(plan({})).toEqual(['virsh net-define F', 'virsh net-start blue', 'virsh net-autostart blue']);
    expect(plan({ wish: { ...wish, autostart: false } })).toEqual(['virsh net-define F', 'virsh net-start blue']);
    expect(plan({ observed: has({ active: undefined }) })).toEqual(['virsh net-start blue']);
    expect(plan({ observed: has({ defined: undefined, autostart: false }) })).toEqual([
      'virsh net-define F',
      'virsh net-autostart blue',
    ]);
    expect(plan({ observed: has(), wish: { ...wish, autostart: false } })).toEqual([
      'virsh net-autostart blue --disable',
    ]);
  });

  test('changes in place what differs, and plugs running machines again only when forced', () => {
    const observed = has({ defined: wrong, active: wrong });
    const change = ['virsh net-define F', 'virsh net-destroy blue', 'virsh net-start blue'];
    expect(plan({ observed })).toEqual(change);
    expect(() => plan({ observed, cards: [card] })).toThrow(
      'running machines have cards in libvirt network blue: vm1; to change it is to stop it and to plug them again',
    );
    expect(plan({ observed, cards: [card], force: true })).toEqual([
      ...change,
      'ovs-vsctl --if-exists del-port vnet0 -- add-port br-int vnet0 -- set Interface vnet0 ' +
        'external_ids:attached-mac="52:54:00:aa:00:02" external_ids:iface-status=active external_ids:vm-id=u external_ids:iface-id=p',
    ]);
    const plain = { ...wish, bridge: 'br1', openvswitch: false };
    expect(plan({ wish: plain, observed, cards: [card], force: true }).at(-1)).toBe('ip link set dev vnet0 master br1');
    // What is in force is right: nobody has to be plugged again.
    expect(plan({ observed: has({ defined: wrong }), cards: [card] })).toEqual(['virsh net-define F']);
  });

  test("leaves another's alone unless forced", () => {
    const observed = has({ defined: wrong, active: wrong });
    expect(() => plan({ observed, isOurs: false })).toThrow('bridge br0 instead of bridge br-int');
    expect(plan({ observed, isOurs: false, force: true })).toHaveLength(3);
  });
});

test('a network goes when no machine uses it, or by force', () => {
  const removal = (...args: Parameters<typeof planLibvirtRemoval>) =>
    planLibvirtRemoval(...args).map(({ argv }) => argv.join(' '));
  expect(removal(has(), [], false)).toEqual(['virsh net-destroy blue', 'virsh net-undefine blue']);
  expect(removal(has({ active: undefined }), [], false)).toEqual(['virsh net-undefine blue']);
  expect(removal(undefined, [], false)).toEqual([]);
  expect(() => removal(has(), [card], false)).toThrow('vm1; stop them first, or use force');
  expect(removal(has(), [card], true)).toHaveLength(2);
});

describe('the trap of the names', () => {
  const host = {
    openvswitch: new Set(['ovs_sw0', 'ovs-nodev']),
    kernel: new Set(['br0']),
    devices: new Map([
      ['ovs_sw0', 1450],
      ['br0', 1500],
    ]),
  };
  const check = (over: Partial<NetworkDefinition>) =>
    problemOf('vxnet0', { ...right, bridge: 'ovs_sw0', ...over }, host);

  test.each([
    [
      'no such bridge, and one alike',
      { bridge: 'ovs-sw0' },
      'BRIDGE_MISSING',
      'weft libvirt network apply vxnet0 --bridge ovs_sw0 --force',
    ],
    ['no such bridge', { bridge: 'br7' }, 'BRIDGE_MISSING', 'ovs-vsctl add-br br7'],
    ['a bridge whose port is called otherwise', { bridge: 'ovs-nodev' }, 'BRIDGE_WITHOUT_DEVICE', 'type=internal'],
    ['a switch without virtualport', { virtualPort: undefined }, 'WRONG_VIRTUALPORT', '--bridge ovs_sw0 --force'],
    ['a virtualport without switch', { bridge: 'br0' }, 'WRONG_VIRTUALPORT', '--bridge br0 --force'],
  ])('is seen: %s', (_what, over, reason, cure) => {
    expect(check(over)).toMatchObject({ reason, cure: expect.stringContaining(cure) as string });
  });

  test('is not where all is one name, or libvirt makes the bridge itself', () => {
    expect(check({})).toBeUndefined();
    expect(check({ bridge: 'br0', virtualPort: undefined })).toBeUndefined();
    expect(check({ forward: 'nat', bridge: 'virbr0' })).toBeUndefined();
  });
});
