import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDeviceName, parseUuid } from '#platform/net/names.ts';
import { networkXml, readCards, readNetwork } from './definition.ts';
import { parseMachineEvent } from './machine-event.ts';
import { parseLibvirtName, uuidOf } from './spec.ts';

const device = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,14}$/);

describe('definitions of networks', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(device, fc.boolean(), fc.uuid(), (bridge, openvswitch, uuid) => {
        const name = parseLibvirtName('name', 'blue');
        const wish = { name, bridge, openvswitch, uuid, autostart: true };
        expect(readNetwork(networkXml(wish))).toEqual({
          ...{ uuid, bridge, forward: 'bridge' },
          virtualPort: openvswitch ? 'openvswitch' : undefined,
        });
      }),
    );
  });

  test("are the article's, but for the UUID", () => {
    const name = parseLibvirtName('name', 'vxnet0');
    const uuid = '8ed04755-4067-40e4-b26d-43733923671e';
    expect(networkXml({ name, bridge: 'ovs-sw0', openvswitch: true, uuid, autostart: true })).toBe(
      `<network><name>vxnet0</name><uuid>${uuid}</uuid><forward mode="bridge"/><bridge name="ovs-sw0"/>` +
        `<virtualport type="openvswitch"/></network>`,
    );
  });

  test('of other kinds are told apart', () => {
    const nat =
      "<network><name>default</name><uuid>u</uuid><forward mode='nat'><nat/></forward><bridge name='virbr0'/></network>";
    expect(readNetwork(nat)).toMatchObject({ forward: 'nat', bridge: 'virbr0', virtualPort: undefined });
    expect(readNetwork("<network connections='1'><name>i</name><bridge name='virbr1'/></network>").forward).toBe(
      'isolated',
    );
  });

  test('have the UUID of the network of the mesh, else one of their name', () => {
    const name = parseLibvirtName('name', 'blue');
    const networkId = parseUuid('network_id', 'aaaaaaaa-0000-4000-8000-000000000001');
    expect(uuidOf({ name, autostart: true, target: { networkId } })).toBe(networkId);
    const bridge = parseDeviceName('bridge', 'br0');
    const own = uuidOf({ name, autostart: true, target: { bridge } });
    expect(own).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(uuidOf({ name, autostart: false, target: { bridge } })).toBe(own);
  });

  test('have names that a shell takes as they are', () => {
    for (const bad of ['', '-x', 'a b', 'a/b', '$x', 'ä', 'x'.repeat(64)]) {
      expect(() => parseLibvirtName('name', bad)).toThrow('name: ');
    }
  });
});

/** As libvirt 9.0.0 prints it, shortened. */
const DOMAIN = `<domain type='qemu' id='1'>
  <name>vm2</name>
  <uuid>fa02b9ff-9cdf-8452-8542-ecb88aea0ccc</uuid>
  <devices>
    <interface type='bridge'>
      <mac address='52:54:00:AA:00:02'/>
      <source network='n1' portid='47ff8cbc-cd56-45cf-8324-f3d4bd854897' bridge='br-int'/>
      <virtualport type='openvswitch'>
        <parameters interfaceid='aaaaaaaa-0000-4000-8000-000000000002'/>
      </virtualport>
      <target dev='vnet0'/>
      <model type='virtio'/>
      <mtu size='1450'/>
      <alias name='net0'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:aa:01:02'/>
      <source bridge='br0'/>
      <target dev='vnet1'/>
    </interface>
    <interface type='user'>
      <mac address='52:54:00:aa:02:02'/>
    </interface>
  </devices>
</domain>
`;

test('cards of a machine are those with a device on the host', () => {
  const machine = { domain: 'vm2', domainUuid: 'fa02b9ff-9cdf-8452-8542-ecb88aea0ccc' };
  expect(readCards(DOMAIN)).toEqual([
    {
      ...machine,
      ...{ device: 'vnet0', mac: '52:54:00:aa:00:02', network: 'n1', bridge: 'br-int' },
      interfaceId: 'aaaaaaaa-0000-4000-8000-000000000002',
    },
    {
      ...machine,
      ...{ device: 'vnet1', mac: '52:54:00:aa:01:02', network: undefined, bridge: 'br0', interfaceId: undefined },
    },
  ]);
});

test.each([
  ["2026-11-22 04:21:31.750+0000: event 'lifecycle' for domain 'vm2': Stopped Failed", 'vm2', 'Stopped Failed'],
  ["2026-11-22 04:21:26.278+0000: event 'lifecycle' for domain 'vm2': Suspended Paused", 'vm2', 'Suspended Paused'],
  ["2026-11-22 04:21:23.154+0000: event 'device-added' for domain 'vm2': net1", 'vm2', 'Plugged net1'],
  ["2026-11-22 04:21:24.665+0000: event 'device-removed' for domain 'it's a': net1", "it's a", 'Unplugged net1'],
])('a line of virsh event says: %s', (line, domain, what) => {
  expect(parseMachineEvent(line)).toEqual({ domain, what });
});

test.each([
  '',
  'events received: 3',
  "2026-11-22 04:21:31.750+0000: event 'agent-lifecycle' for domain 'a': x",
  "event 'lifecycle'",
])('of what is no event of a machine nothing is said: %j', (line) => {
  expect(parseMachineEvent(line)).toBeUndefined();
});
