import { describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import type { LineJournal } from '../model/line-journal.ts';
import type { Operation, Outcome } from '../model/operation.ts';
import { Ledger } from './ledger.ts';

class MemoryJournal implements LineJournal {
  text = '';
  replaced = 0;

  read(): readonly string[] {
    return this.text.split('\n').slice(0, -1);
  }
  replace(lines: readonly string[]): void {
    this.text = lines.map((line) => `${line}\n`).join('');
    this.replaced += 1;
  }
  add(line: string): void {
    this.text += `${line}\n`;
  }
}

const step = (command: string, more: Partial<Operation> = {}): Outcome => ({
  operation: { kind: 'any', key: 'any', argv: command.split(' '), reason: 'because', ...more },
});

const occasion = (time: number) => ({
  time,
  traceId: `t${time.toString()}`,
  cause: 'control plane: X',
  caller: 'host h2',
});

const tap = { kind: 'device', name: 'tap1', namespace: '' } as const;
const rows = { kind: 'rule', name: 'fdb vxlan-70', namespace: '' } as const;

const started = (journal = new MemoryJournal()): Ledger => {
  const ledger = new Ledger(journal, nullLog);
  ledger.load();
  return ledger;
};

describe('Ledger', () => {
  test('remembers who changed a thing, with what, and why', () => {
    const ledger = started();
    ledger.note(occasion(1), [step('ip link set dev tap1 master brq1', { portId: 'p1', networkId: 'n1' })]);
    expect(ledger.get(tap)).toEqual({
      thing: tap,
      count: 1,
      changes: [
        {
          ...occasion(1),
          command: 'ip link set dev tap1 master brq1',
          reason: 'because',
          object: { kind: 'port', id: 'p1' },
        },
      ],
    });
    expect(ledger.since).toEqual(new Date(1));
  });

  test('what failed was not done, and what is told twice was done once', () => {
    const ledger = started();
    const done = step('ip link set dev tap1 up');
    ledger.note(occasion(1), [{ ...step('ip link set dev tap1 mtu 1'), error: 'no' }, done]);
    ledger.note(occasion(2), [done]);
    expect(ledger.get(tap)?.changes.map(({ command }) => command)).toEqual(['ip link set dev tap1 up']);
  });

  test('a namespace tells more than the network that its steps name', () => {
    const id = '0a1b2c3d-4455-4667-8899-aabbccddeeff';
    const ledger = started();
    ledger.note(occasion(1), [step(`ip -n qrouter-${id} link set dev qr-1 up`, { networkId: 'n1' })]);
    const changes = ledger.get({ kind: 'device', name: 'qr-1', namespace: `qrouter-${id}` })?.changes;
    expect(changes?.[0]?.object).toEqual({ kind: 'router', id });
  });

  test('of rows it has the number and the last', () => {
    const ledger = started();
    const row = (n: number): Outcome =>
      step(`bridge fdb replace fa:16:3e:00:00:0${n.toString()} dev vxlan-70 dst 192.0.2.2`, { kind: 'replace-fdb' });
    ledger.note(occasion(1), [row(1), row(2), row(3)]);
    ledger.note(occasion(2), [row(4)]);
    expect(ledger.get(rows)?.count).toBe(4);
    expect(ledger.get(rows)?.changes.map(({ command }) => command)).toEqual([
      'bridge fdb replace fa:16:3e:00:00:03 dev vxlan-70 dst 192.0.2.2',
      'bridge fdb replace fa:16:3e:00:00:04 dev vxlan-70 dst 192.0.2.2',
    ]);
  });

  test('of many changes it keeps the first and the last ones, also across restarts', () => {
    const journal = new MemoryJournal();
    const ledger = started(journal);
    for (let n = 1; n <= 100; n += 1) ledger.note(occasion(n), [step('ip link set dev tap1 up')]);
    ledger.stop();
    const times = [1, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100];
    const again = started(journal);
    expect(again.get(tap)?.changes.map(({ time }) => time)).toEqual(times);
    expect(again.get(tap)?.count).toBe(100);
    expect(journal.read()).toHaveLength(times.length);
    const third = started(journal);
    expect(third.get(tap)?.count).toBe(100);
    expect(third.get(tap)?.changes).toEqual(again.get(tap)?.changes);
  });

  test('a line that was cut off costs that line', () => {
    const journal = new MemoryJournal();
    const ledger = started(journal);
    ledger.note(occasion(1), [step('ip link set dev tap1 up')]);
    ledger.stop();
    journal.text += '{"s":["device  tap1"],"n":1,"c":{"ti\n[]\n';
    expect(started(journal).get(tap)?.count).toBe(1);
  });

  test('a journal that cannot be written costs the record, not the work', () => {
    const journal = new MemoryJournal();
    journal.add = () => {
      throw new Error('no space left on device');
    };
    const ledger = started(journal);
    ledger.note(occasion(1), [step('ip link set dev tap1 up')]);
    expect(ledger.get(tap)?.count).toBe(1);
  });

  test('many rows cost next to nothing, and the journal does not grow without end', () => {
    const journal = new MemoryJournal();
    const ledger = started(journal);
    const begin = performance.now();
    const many = Array.from({ length: 20_000 }, (_, n) =>
      step(`bridge fdb replace ${n.toString()} dev vxlan-70 dst 192.0.2.2`, { kind: 'replace-fdb' }),
    );
    ledger.note(occasion(1), many);
    expect(ledger.get(rows)?.count).toBe(20_000);
    expect(performance.now() - begin).toBeLessThan(1_000);
    expect(journal.read()).toHaveLength(1);
    for (let n = 0; n < 30_000; n += 1) {
      ledger.note(occasion(n), [step('ip link set dev tap1 up')]);
      ledger.stop();
    }
    expect(journal.replaced).toBe(2);
    expect(journal.read().length).toBeLessThan(20_000);
  });
});
