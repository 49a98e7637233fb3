import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { parseVni } from '#platform/net/vni.ts';
import type { EntryChange, ForwardingEntry, PortView } from '../model/intent.ts';
import { NetworkTable } from './network-table.ts';

const host = { hostId: 'h1', vtep: { hostId: 'h1', address: parseIp('ip', '192.0.2.1'), udpPort: 4789 } };
const facts = {
  networkId: parseUuid('id', '0a1b2c3d-4455-4677-8899-aabbccddeeff'),
  vni: parseVni('vni', 70),
  mtu: 1450,
};
const newTable = (): NetworkTable => new NetworkTable(host, facts);

const entry = (port: number, host: number, generation = 1): ForwardingEntry => ({
  portId: `00000000-0000-4000-8000-${port.toString().padStart(12, '0')}`,
  mac: parseMac('mac', `fa:16:3e:00:00:${port.toString(16).padStart(2, '0')}`),
  ips: [parseIp('ip', `10.0.0.${port.toString()}`)],
  vtep: { hostId: `h${host.toString()}`, address: parseIp('ip', `192.0.2.${host.toString()}`), udpPort: 4789 },
  generation: BigInt(generation),
});

const floods = (table: NetworkTable): readonly string[] => [...table.remoteVteps.keys()].sort();

describe('a network table', () => {
  test('has a VTEP in its flood list as long as one port is behind it, and never its own', () => {
    const table = newTable();
    table.applyChanges(
      [1, 2, 3].map((port) => ({ kind: 'set', entry: entry(port, port === 3 ? 1 : 2) })),
      3n,
    );
    expect(floods(table)).toEqual(['192.0.2.2']);
    table.applyChanges([{ kind: 'removed', entry: entry(1, 2) }], 4n);
    expect(floods(table)).toEqual(['192.0.2.2']);
    table.applyChanges([{ kind: 'removed', entry: entry(2, 2) }], 5n);
    expect(floods(table)).toEqual([]);
  });

  test('tells a port that changed many times once, from its first state to its last', () => {
    const table = newTable();
    table.applyChanges([{ kind: 'set', entry: entry(1, 2) }], 1n);
    table.takeChange();
    table.applyChanges([{ kind: 'set', entry: entry(1, 3, 2) }], 2n);
    table.applyChanges([{ kind: 'set', entry: entry(1, 4, 3) }], 3n);
    const { ports, floodAdded, floodRemoved } = table.takeChange();
    expect([...ports.values()]).toEqual([{ before: { entry: entry(1, 2) }, after: { entry: entry(1, 4, 3) } }]);
    expect(floodAdded.map(({ address }) => address)).toEqual(['192.0.2.4']);
    expect(floodRemoved.map(({ address }) => address)).toEqual(['192.0.2.2']);
    expect(table.hasChange).toBe(false);
  });

  test('keeps a VTEP added by hand in the flood list when its last port goes', () => {
    const table = newTable();
    table.addManualFlood(parseIp('ip', '192.0.2.2'));
    table.applyChanges([{ kind: 'set', entry: entry(1, 2) }], 1n);
    table.takeChange();
    table.applyChanges([{ kind: 'removed', entry: entry(1, 2) }], 2n);
    expect(table.takeChange().floodRemoved).toEqual([]);
  });

  const step = fc.record({
    port: fc.integer({ min: 1, max: 6 }),
    host: fc.integer({ min: 1, max: 4 }),
    set: fc.boolean(),
  });

  test('the changes taken lead from any state to any other, as the snapshot of the end does', () => {
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 6 }), (batches) => {
        const table = newTable();
        const views = new Map<string, PortView>();
        const flood = new Set<string>();
        let revision = 0n;
        for (const batch of batches) {
          revision += 1n;
          const changes = batch.map(({ port, host, set }): EntryChange => ({
            kind: set ? 'set' : 'removed',
            entry: entry(port, host),
          }));
          table.applyChanges(changes, revision);
          const change = table.takeChange();
          for (const [portId, { before, after }] of change.ports) {
            expect(views.get(portId) ?? {}).toEqual(before);
            views.set(portId, after);
          }
          for (const { address } of change.floodRemoved) expect(flood.delete(address)).toBe(true);
          for (const { address } of change.floodAdded) flood.add(address);
          expect([...flood].sort()).toEqual(floods(table));
        }
        const held = new Map(
          [...views].filter(([, { entry: present }]) => present !== undefined).map(([id, view]) => [id, view.entry]),
        );
        expect(held).toEqual(table.entries);
        for (let port = 1; port <= 6; port += 1) {
          const { mac, ips, portId } = entry(port, 1);
          const claimants = table.entries.has(portId) ? [portId] : [];
          for (const address of [mac, ...ips]) expect([...table.claimants(address)]).toEqual(claimants);
        }
        const fresh = newTable();
        fresh.replaceEntries([...table.entries.values()], revision);
        expect(floods(fresh)).toEqual(floods(table));
      }),
    );
  });
});
