import { expect, test } from 'vitest';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { newRows } from './dump.ts';
import { rowOperations } from './operations.ts';
import type { Holding } from '../../plan/claims.ts';
import { HOST, NETWORK } from '../../testing/worlds.ts';
import { WrittenRows } from './written-rows.ts';

const steps = rowOperations(NETWORK, 4789);
const mac = parseMac('mac', 'fa:16:3e:00:00:01');
const ip = parseUnicastIp('ip', '10.0.0.1');
const to = (last: number): { address: ReturnType<typeof parseUnicastIp>; udpPort: number } => ({
  address: parseUnicastIp('dst', `192.0.2.${last.toString()}`),
  udpPort: 4789,
});
const holding: Holding = { portId: 'p', generation: 1n, mac, ips: [ip], at: { vtep: HOST.vtep } };

const row = (last: number): string => `192.0.2.${last.toString()} dev vxlan-70 lladdr ${mac} REACHABLE NOARP `;
const FLOOD = '192.0.2.2 dev vxlan-70 lladdr 00:00:00:00:00:00 NOARP PERMANENT ';
const NEIGHBOUR = `10.0.0.1 dev vxlan-70 lladdr ${mac} PERMANENT `;
const BRIDGE = `dev vxlan-70 lladdr ${mac} NOARP `;

const written = (): WrittenRows => {
  const rows = new WrittenRows();
  rows.note(steps.replaceFdb(mac, to(2), holding));
  rows.note(steps.replaceNeighbour(ip, mac, holding));
  rows.note(steps.appendFlood(to(2), ''));
  return rows;
};

test('what we wrote is ours, also when the word of it is late', () => {
  const rows = written();
  for (const line of [row(2), FLOOD, NEIGHBOUR, BRIDGE]) expect(rows.foreign(line)).toBeUndefined();
  rows.note(steps.replaceFdb(mac, to(3), holding));
  expect(rows.foreign(row(2))).toBeUndefined();
  expect(rows.foreign(row(3))).toBeUndefined();
  rows.note(steps.deleteFdb(mac, ''));
  rows.note(steps.deleteNeighbour(ip, ''));
  rows.note(steps.deleteFlood(to(2), ''));
  for (const line of [row(3), FLOOD, NEIGHBOUR]) {
    expect(rows.foreign(line)).toBeUndefined();
    expect(rows.foreign(`Deleted ${line}`)).toBeUndefined();
  }
});

test('what another deleted, turned or added is told, with its device', () => {
  const rows = written();
  for (const line of [
    `Deleted ${row(2)}`,
    `Deleted ${FLOOD}`,
    `Deleted ${NEIGHBOUR}`,
    `Deleted ${BRIDGE}`,
    row(9),
    FLOOD.replace('192.0.2.2', '192.0.2.9'),
    NEIGHBOUR.replace(mac, 'fa:16:3e:00:00:09'),
    NEIGHBOUR.replace('10.0.0.1', '10.0.0.9'),
    row(2).replace(mac, 'fa:16:3e:00:00:09'),
  ]) {
    expect(rows.foreign(line), line).toBe('vxlan-70');
  }
});

test('what has nothing to do with our rows is passed over', () => {
  const rows = written();
  for (const line of [
    'ff02::16 dev vxlan-70 lladdr 33:33:00:00:00:16 NOARP ',
    '10.0.0.1 dev vxlan-70 FAILED ',
    '10.0.0.7 dev vxlan-70 lladdr fa:16:3e:00:00:07 STALE ',
    `192.0.2.2 dev vxlan-99 lladdr ${mac} REACHABLE NOARP `,
    `Deleted dev tap1 lladdr ${mac} NOARP `,
    '',
    'nonsense',
  ]) {
    expect(rows.foreign(line), line).toBeUndefined();
  }
});

test('a device that was only read back is known as well, and one that is taken away no more', () => {
  const rows = new WrittenRows();
  const read = newRows();
  read.fdb.set(mac, to(2));
  rows.begin('vxlan-70', read);
  expect(rows.foreign(`Deleted ${row(2)}`)).toBe('vxlan-70');
  rows.note({ kind: 'delete-vxlan', key: '', argv: ['ip', 'link', 'del', 'dev', 'vxlan-70'], reason: '' });
  expect(rows.foreign(`Deleted ${row(2)}`)).toBeUndefined();
});
