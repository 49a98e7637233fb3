import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { ForwardingEntry, LocalPort, NetworkIntent, PortView, Vtep } from '../model/intent.ts';
import { OWN_ADDRESSES_ONLY } from '../model/port-security.ts';
import { arbitraryWorld, HOST, intentOf, NETWORK } from '../testing/worlds.ts';
import { wantedRows } from './wanted-rows.ts';

const [A, B] = ['00000001-0000-4000-8000-000000000000', '00000002-0000-4000-8000-000000000000'] as const;
const mac = parseMac('mac', 'fa:16:3e:00:00:01');
const ip = parseUnicastIp('ip', '10.0.0.1');
const ip6 = parseUnicastIp('ip', 'fd00::1');
const h2: Vtep = { hostId: 'h2', address: parseUnicastIp('vtep', '192.0.2.2'), udpPort: 4789 };
const h3: Vtep = { hostId: 'h3', address: parseUnicastIp('vtep', '192.0.2.3'), udpPort: 4789 };

const entry = (portId: string, vtep: Vtep, generation: bigint): ForwardingEntry => ({
  portId,
  mac,
  ips: [ip, ip6],
  vtep,
  generation,
});
const local = (portId: string, generation: bigint): LocalPort => ({
  portId,
  device: `tap${portId.slice(7, 8)}`,
  mac,
  ips: [ip, ip6],
  generation,
  security: OWN_ADDRESSES_ONLY,
});

const intent = (ports: Readonly<Record<string, PortView>>, more: Partial<NetworkIntent> = {}): NetworkIntent => ({
  ...intentOf({ ports: new Map(Object.entries(ports)), manualFlood: [] }),
  ...more,
});

/** Where the one MAC address goes, and what its IPv4 address is answered with. */
const rowsFor = (ports: Readonly<Record<string, PortView>>): readonly unknown[] => {
  const { fdb, bridgeFdb, neighbours } = wantedRows(HOST, intent(ports), 'vxlan-70');
  return [fdb.get(mac)?.address, bridgeFdb.get(mac), neighbours.get(ip)];
};

const CASES: readonly (readonly [string, Readonly<Record<string, PortView>>, readonly unknown[]])[] = [
  ['elsewhere', { [A]: { entry: entry(A, h2, 1n) } }, [h2.address, 'vxlan-70', mac]],
  ['plugged here', { [A]: { local: local(A, 1n) } }, [undefined, 'tap1', undefined]],
  [
    'plugged and bound here',
    { [A]: { entry: entry(A, HOST.vtep, 1n), local: local(A, 1n) } },
    [undefined, 'tap1', undefined],
  ],
  ['bound here, not plugged yet', { [A]: { entry: entry(A, HOST.vtep, 1n) } }, [undefined, undefined, undefined]],
  [
    'bound to our address by another name',
    { [A]: { entry: entry(A, { ...HOST.vtep, hostId: 'twin' }, 1n) } },
    [undefined, undefined, undefined],
  ],
  [
    'plugged here, bound elsewhere later',
    { [A]: { entry: entry(A, h2, 2n), local: local(A, 1n) } },
    [h2.address, 'vxlan-70', mac],
  ],
  [
    'plugged here, bound elsewhere before',
    { [A]: { entry: entry(A, h2, 1n), local: local(A, 2n) } },
    [undefined, 'tap1', undefined],
  ],
  [
    'plugged here, bound elsewhere, equally late',
    { [A]: { entry: entry(A, h2, 2n), local: local(A, 2n) } },
    [undefined, 'tap1', undefined],
  ],
  [
    'claimed twice, the second later',
    { [A]: { entry: entry(A, h2, 1n) }, [B]: { entry: entry(B, h3, 2n) } },
    [h3.address, 'vxlan-70', mac],
  ],
  [
    'claimed twice, the first later',
    { [A]: { entry: entry(A, h2, 3n) }, [B]: { entry: entry(B, h3, 2n) } },
    [h2.address, 'vxlan-70', mac],
  ],
  [
    'claimed twice, equally late',
    { [B]: { entry: entry(B, h3, 2n) }, [A]: { entry: entry(A, h2, 2n) } },
    [h2.address, 'vxlan-70', mac],
  ],
  [
    'claimed here later than elsewhere',
    { [A]: { entry: entry(A, h2, 1n) }, [B]: { local: local(B, 2n) } },
    [undefined, 'tap2', undefined],
  ],
  [
    'claimed elsewhere later than here',
    { [A]: { entry: entry(A, h2, 2n) }, [B]: { local: local(B, 1n) } },
    [h2.address, 'vxlan-70', mac],
  ],
];

test.each(CASES)('an address of a port %s goes where it should', (_, ports, rows) => {
  expect(rowsFor(ports)).toEqual(rows);
});

test('below what IPv6 needs, no IPv6 neighbour is wanted', () => {
  const ports = { [A]: { entry: entry(A, h2, 1n) } };
  expect([...wantedRows(HOST, intent(ports, { mtu: 1280 }), 'vxlan-70').neighbours.keys()]).toEqual([ip, ip6]);
  expect([...wantedRows(HOST, intent(ports, { mtu: 1279 }), 'vxlan-70').neighbours.keys()]).toEqual([ip]);
});

test('the flood list is the hosts with ports and what was added by hand, never this host', () => {
  const ports = { [A]: { entry: entry(A, { ...h2, udpPort: 8472 }, 1n) }, [B]: { entry: entry(B, HOST.vtep, 1n) } };
  const manualFlood = new Set([h2.address, h3.address, HOST.vtep.address]);
  expect([...wantedRows(HOST, intent(ports, { manualFlood }), 'vxlan-70').flood.values()]).toEqual([
    { address: h2.address, udpPort: 8472 },
    { address: h3.address, udpPort: 4789 },
  ]);
});

test('nothing is sent to this host itself, and the bridge knows every address that is sent anywhere', () => {
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      const { fdb, bridgeFdb, neighbours, flood } = wantedRows(HOST, intentOf(world), 'vxlan-70');
      for (const { address } of [...fdb.values(), ...flood.values()]) expect(address).not.toBe(HOST.vtep.address);
      for (const [each, device] of bridgeFdb) expect(device === `vxlan-${NETWORK.vni.toString()}`).toBe(fdb.has(each));
      for (const each of fdb.keys()) expect(bridgeFdb.has(each)).toBe(true);
      for (const [address] of neighbours) {
        const claimed = [...world.ports.values()].some(({ entry: far }) => far?.ips.includes(address) === true);
        expect(claimed).toBe(true);
      }
    }),
  );
});
