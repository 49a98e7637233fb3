import { expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import type { LineJournal } from '../model/line-journal.ts';
import { ReportedDevices } from './reported-devices.ts';

const memoryJournal = (lines: string[] = []): LineJournal & { readonly lines: string[] } => ({
  lines,
  read: () => [...lines],
  replace: (all) => void lines.splice(0, lines.length, ...all),
  add: (line) => void lines.push(line),
});

const loaded = (journal: LineJournal): ReportedDevices => {
  const devices = new ReportedDevices(journal, nullLog);
  devices.load();
  return devices;
};

test('are known to the next run from the moment they are added to that in which they are removed', () => {
  const journal = memoryJournal();
  const devices = loaded(journal);
  devices.add('tap1');
  devices.add('tap2');
  expect([...loaded(memoryJournal([...journal.lines])).names]).toEqual(['tap1', 'tap2']);
  devices.remove('tap1');
  devices.remove('tap1');
  expect([...loaded(memoryJournal([...journal.lines])).names]).toEqual(['tap2']);
});

test('keep the journal short, however many come and go', () => {
  const journal = memoryJournal();
  const devices = loaded(journal);
  devices.add('tap0');
  for (let at = 0; at < 5_000; at += 1) {
    devices.add('tap1');
    devices.remove('tap1');
  }
  expect(journal.lines.length).toBeLessThan(1_100);
  expect([...loaded(journal).names]).toEqual(['tap0']);
});

test('are known to this run even where they cannot be written', () => {
  const full = (): never => {
    throw new Error('no space left on device');
  };
  const log = new MemoryLog();
  const devices = new ReportedDevices({ read: () => [], replace: full, add: full }, log);
  devices.load();
  devices.add('tap1');
  expect([...devices.names]).toEqual(['tap1']);
  expect(log.messages('error').length).toBeGreaterThan(0);
});
