import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collectFdb, collectNeighbour, newRows, parseLink } from './dump.ts';

const SOURCE = { bridge: 'brq1', vxlan: 'vxlan-70', udpPort: 4789 };

test('the rows of a dump are told apart: of the device, of the bridge, and what is not ours', () => {
  const rows = newRows();
  for (const dumped of [
    { mac: '33:33:00:00:00:01', ifname: 'brq1', flags: ['self'], state: 'permanent' },
    { mac: 'fa:16:3e:00:00:02', ifname: 'vxlan-70', flags: [], master: 'brq1', state: 'static' },
    { mac: '9e:6e:f7:d8:e3:52', ifname: 'vxlan-70', flags: [], master: 'brq1', state: 'permanent' },
    { mac: 'fa:16:3e:00:00:07', ifname: 'tap1', flags: [], master: 'brq1', state: '' },
    { mac: 'fa:16:3e:00:00:01', ifname: 'tap1', flags: [], master: 'brq1', state: 'static' },
    { mac: 'fa:16:3e:00:00:09', ifname: 'tap9', flags: [], master: 'brq2', state: 'static' },
    { mac: '00:00:00:00:00:00', ifname: 'vxlan-70', dst: '192.0.2.3', flags: ['self'], state: 'permanent' },
    { mac: '00:00:00:00:00:00', ifname: 'vxlan-70', dst: '192.0.2.3', port: 8472, flags: ['self'], state: 'permanent' },
    {
      mac: 'fa:16:3e:00:00:02',
      ifname: 'vxlan-70',
      dst: '2001:DB8::0:3',
      port: 8472,
      flags: ['self'],
      state: 'static',
    },
    { mac: 'fa:16:3e:00:00:03', ifname: 'vxlan-70', dst: '192.0.2.4', flags: ['self'], state: 'permanent' },
    { mac: 'fa:16:3e:00:00:04', ifname: 'vxlan-70', dst: '192.0.2.4', flags: ['self'], state: '' },
    { mac: 'fa:16:3e:00:00:05', ifname: 'vxlan-70', dst: '192.0.2.4', vni: 9, flags: ['self'], state: 'static' },
  ]) {
    collectFdb(dumped, SOURCE, rows);
  }
  collectNeighbour({ dst: '10.0.0.1', lladdr: 'fa:16:3e:00:00:02', state: ['PERMANENT'] }, rows);
  collectNeighbour({ dst: '10.0.0.2', lladdr: 'fa:16:3e:00:00:02', state: ['STALE'] }, rows);
  collectNeighbour({ dst: '10.0.0.3', state: ['FAILED'] }, rows);
  expect([...rows.fdb]).toEqual([
    ['fa:16:3e:00:00:02', { address: '2001:db8::3', udpPort: 8472 }],
    ['fa:16:3e:00:00:03', { address: '192.0.2.4', udpPort: 4789 }],
  ]);
  expect([...rows.bridgeFdb]).toEqual([
    ['fa:16:3e:00:00:02', 'vxlan-70'],
    ['fa:16:3e:00:00:01', 'tap1'],
  ]);
  expect([...rows.flood.values()]).toEqual([{ address: '192.0.2.3', udpPort: 4789 }]);
  expect(rows.strayFlood).toEqual([{ address: '192.0.2.3', udpPort: 8472 }]);
  expect([...rows.strayFdb]).toEqual(['fa:16:3e:00:00:04', 'fa:16:3e:00:00:05']);
  expect([...rows.neighbours]).toEqual([['10.0.0.1', 'fa:16:3e:00:00:02']]);
});

test('whatever a tool prints is read or passed over, never a failure', () => {
  const keys = ['mac', 'ifname', 'dst', 'port', 'flags', 'state', 'master', 'lladdr', 'mtu', 'linkinfo', 'ifalias'];
  const anything = fc.dictionary(
    fc.constantFrom(...keys),
    fc.oneof(fc.jsonValue(), fc.constantFrom('vxlan-70', 'brq1', ['self'])),
  );
  fc.assert(
    fc.property(anything, (dumped) => {
      const rows = newRows();
      collectFdb(dumped, SOURCE, rows);
      collectNeighbour(dumped, rows);
      parseLink(dumped);
    }),
  );
});

test('a link is read with what decides whether it is right', () => {
  expect(
    parseLink({
      ifname: 'vxlan-71',
      flags: ['BROADCAST', 'UP'],
      mtu: 1450,
      master: 'brq1',
      ifalias: 'weft:network:x',
      inet6_addr_gen_mode: 'none',
      linkinfo: {
        info_kind: 'vxlan',
        info_data: {
          id: 71,
          local6: '2001:DB8::1',
          port: 4789,
          learning: false,
          proxy: true,
          ttl: 0,
          remote6: '2001:db8::9',
        },
        info_slave_kind: 'bridge',
        info_slave_data: { learning: false, neigh_suppress: false },
      },
    }),
  ).toEqual({
    name: 'vxlan-71',
    kind: 'vxlan',
    up: true,
    mtu: 1450,
    master: 'brq1',
    alias: 'weft:network:x',
    addressGeneration: 'none',
    vxlan: { vni: 71, local: '2001:db8::1', udpPort: 4789, learning: false, proxy: true, foreignMode: true },
    port: { learning: false, neighbourSuppression: false },
  });
});
