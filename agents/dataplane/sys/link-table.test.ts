import { expect, test } from 'vitest';
import { LinkTable } from './link-table.ts';

const tap = (words: string, index = 5, name = 'tap1@if4'): string =>
  `${index.toString()}: ${name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue ${words}state UP group default \\    link/ether de:21:5b:f5:fa:cf brd ff:ff:ff:ff:ff:ff`;

const present = { kind: 'present', name: 'tap1', index: 5, mac: 'de:21:5b:f5:fa:cf' };

test('a link is told of when it comes, when it changes its bridge, and when it goes; not when nothing of it changes', () => {
  const table = new LinkTable();
  expect(table.take(tap(''))).toEqual([present]);
  expect(table.take(tap(''))).toEqual([]);
  expect(table.take(tap('master brq1 '))).toEqual([{ ...present, master: 'brq1' }]);
  expect(table.take(tap('').replace('mtu 1500', 'mtu 1400'))).toEqual([present]);
  expect(table.take(tap('').replace(',UP,', ',').replace('mtu 1500', 'mtu 1400'))).toEqual([present]);
  expect(table.take(`Deleted ${tap('')}`)).toEqual([{ ...present, kind: 'gone' }]);
  expect(table.take(`Deleted ${tap('')}`)).toEqual([]);
});

test('what a bridge says of its ports is not what the link is', () => {
  const table = new LinkTable();
  table.take(tap('master brq1 '));
  const ofTheBridge = '5: tap1@if4: <BROADCAST,UP> mtu 1500 master brq1 state UP \\    link/ether de:21:5b:f5:fa:cf';
  expect(table.take(ofTheBridge)).toEqual([]);
  expect(table.take(`Deleted ${ofTheBridge}`)).toEqual([]);
});

test('a link under a new name is another that came, and one that went', () => {
  const table = new LinkTable();
  table.take(tap(''));
  expect(table.take(tap('', 5, 'tap2@if4'))).toEqual([
    { ...present, kind: 'gone' },
    { ...present, name: 'tap2' },
  ]);
});

test('a complete list tells of all that is there and of what is gone since', () => {
  const table = new LinkTable();
  table.take(tap(''));
  table.take(tap('', 6, 'tap6'));
  expect(table.replace([tap('', 6, 'tap6'), tap('', 7, 'tap7'), ''])).toEqual([
    { ...present, kind: 'gone' },
    { ...present, name: 'tap6', index: 6 },
    { ...present, name: 'tap7', index: 7 },
  ]);
  expect(table.take('nonsense')).toEqual([]);
});
