import fc from 'fast-check';
import { expect, test } from 'vitest';
import { atOnce } from '#platform/testing/at-once.ts';
import { claimsOf } from '../../plan/claims.ts';
import { bridgePortOf, destinationOf, wantedRows } from '../../plan/wanted-rows.ts';
import { arbitraryWorld, HOST, intentOf, NETWORK } from '../../testing/worlds.ts';
import { baseFlows, networkFlows } from './flows.ts';
import { TABLES } from './pipeline.ts';
import { floodTargets, rowsOf } from './rows.ts';

test('the rows that flows stand for are those they were made of', () => {
  fc.assert(
    fc.property(arbitraryWorld, fc.boolean(), (world, directsSolicitations) => {
      const flows = networkFlows(NETWORK.vni, { directsSolicitations });
      const intent = intentOf(world);
      const rows = wantedRows(HOST, intent, undefined);
      const devices = [...intent.ports.values()].map(({ device }) => device);
      const unicast = [...claimsOf(HOST, intent).macs.values()].flatMap((holding) => {
        const [to, device] = [destinationOf(holding), bridgePortOf(holding, undefined)];
        if (to !== undefined) return [flows.toRemote(holding.mac, to)];
        return device === undefined ? [] : [flows.toPort(holding.mac, device)];
      });
      const all = [
        ...baseFlows({ directsSolicitations }),
        flows.fromOutside(),
        ...devices.map((device) => flows.fromPort(device)),
        ...unicast,
        ...[...rows.neighbours].map(([ip, mac]) => flows.responder(ip, mac)),
        ...flows.flood(devices, [...rows.flood.values()]),
      ];
      expect(atOnce(rowsOf(all))).toEqual(rows);
      const targets = floodTargets(all.filter(({ table }) => table === TABLES.flood));
      expect([...targets.devices].sort()).toEqual([...devices].sort());
      expect(new Set(targets.destinations)).toEqual(new Set(rows.flood.values()));
    }),
    { numRuns: 300 },
  );
});
