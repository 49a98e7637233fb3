import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { parseVni } from '#platform/net/vni.ts';
import { NetworkTable } from '../intake/network-table.ts';
import type { TableChange } from '../model/control-plane.ts';
import type { EntryChange, ForwardingEntry } from '../model/intent.ts';
import { DeltaIntake } from './delta-intake.ts';

const host = { hostId: 'h1', vtep: { hostId: 'h1', address: parseIp('ip', '192.0.2.1'), udpPort: 4789 } };
const facts = {
  networkId: parseUuid('id', '0a1b2c3d-4455-4677-8899-aabbccddeeff'),
  vni: parseVni('vni', 70),
  mtu: 1450,
};

const entry = (port: number, host: number): ForwardingEntry => ({
  portId: `00000000-0000-4000-8000-${port.toString().padStart(12, '0')}`,
  mac: parseMac(
    'mac',
    `fa:16:3e:00:${(port >> 8).toString(16).padStart(2, '0')}:${(port & 255).toString(16).padStart(2, '0')}`,
  ),
  ips: [],
  vtep: { hostId: `h${host.toString()}`, address: parseIp('ip', `192.0.2.${host.toString()}`), udpPort: 4789 },
  generation: 1n,
});

const delta = (revision: number, changes: readonly EntryChange[]): TableChange => ({
  baseRevision: BigInt(revision - 1),
  revision: BigInt(revision),
  cause: 'test',
  changes,
});

const make = (): { table: NetworkTable; intake: DeltaIntake } => {
  const table = new NetworkTable(host, facts);
  return { table, intake: new DeltaIntake(table, () => undefined) };
};

describe('the intake of deltas', () => {
  test('asks for a snapshot before it knows any revision', () => {
    const { intake } = make();
    expect(intake.delta(delta(3, [{ kind: 'set', entry: entry(1, 2) }]))).toBe('snapshot');
    expect(intake.snapshot({ revision: 2n, entries: [] })).toBeUndefined();
  });

  test('keeps what came beyond a hole until the hole is filled', () => {
    const { table, intake } = make();
    intake.snapshot({ revision: 1n, entries: [entry(1, 2)] });
    expect(intake.delta(delta(3, [{ kind: 'set', entry: entry(3, 2) }]))).toBe('changes');
    expect(table.revision).toBe(1n);
    expect(intake.changes([delta(2, [{ kind: 'set', entry: entry(2, 2) }])])).toBeUndefined();
    expect(table.revision).toBe(3n);
    expect(table.entries.size).toBe(3);
  });

  test('asks twice for what leads up to a delta, and then takes it for what it is: from nowhere', () => {
    const { table, intake } = make();
    intake.snapshot({ revision: 1n, entries: [entry(1, 2)] });
    expect(intake.delta(delta(1_000_000, []))).toBe('changes');
    expect(intake.changes([])).toBe('changes');
    expect(intake.changes([delta(2, [{ kind: 'set', entry: entry(2, 2) }])])).toBeUndefined();
    expect(intake.delta(delta(3, [{ kind: 'set', entry: entry(3, 2) }]))).toBeUndefined();
    expect(table.revision).toBe(3n);
  });

  test('does not empty most of a table on the strength of one message, but does on two', () => {
    const { table, intake } = make();
    const many = Array.from({ length: 50 }, (_, index) => entry(index + 1, 2));
    intake.snapshot({ revision: 1n, entries: many });
    const removals = many.slice(0, 40).map((each): EntryChange => ({ kind: 'removed', entry: each }));
    expect(intake.delta(delta(2, removals))).toBe('snapshot');
    expect(table.entries.size).toBe(50);
    expect(intake.snapshot({ revision: 2n, entries: many.slice(40) })).toBe('snapshot');
    expect(table.entries.size).toBe(50);
    expect(intake.snapshot({ revision: 2n, entries: many.slice(40) })).toBeUndefined();
    expect(table.entries.size).toBe(10);
  });

  test('takes a snapshot of a table that began anew, though its revision is smaller', () => {
    const { table, intake } = make();
    intake.snapshot({ revision: 90n, entries: [entry(1, 2)] });
    intake.snapshot({ revision: 2n, entries: [entry(2, 3)] });
    expect(table.revision).toBe(2n);
    expect([...table.entries.keys()]).toEqual([entry(2, 3).portId]);
  });

  const history = fc.array(
    fc.record({ port: fc.integer({ min: 1, max: 9 }), host: fc.integer({ min: 1, max: 4 }), set: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 25,
    },
  );

  test('whatever is doubled, dropped or reordered, the table ends as the history, once what it asks for is pulled', () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat()), (steps, random) => {
        const deltas: TableChange[] = [];
        const model = new Map<string, ForwardingEntry>();
        for (const [index, { port, host, set }] of steps.entries()) {
          const each = entry(port, host);
          if (set) model.set(each.portId, each);
          else model.delete(each.portId);
          deltas.push(delta(index + 1, [{ kind: set ? 'set' : 'removed', entry: each }]));
        }
        const pick = (below: number): number => (random.next().value ?? 0) % below;
        const sent = deltas.flatMap((each) => Array.from({ length: pick(3) }, () => each));
        for (let at = sent.length - 1; at > 0; at -= 1) {
          const other = pick(at + 1);
          [sent[at], sent[other]] = [sent[other] ?? delta(1, []), sent[at] ?? delta(1, [])];
        }
        const { table, intake } = make();
        intake.snapshot({ revision: 0n, entries: [] });
        const pull = (missing: string | undefined): void => {
          for (let asked = missing; asked !== undefined;) {
            asked =
              asked === 'snapshot'
                ? intake.snapshot({ revision: BigInt(deltas.length), entries: [...model.values()] })
                : intake.changes(deltas.filter(({ revision }) => revision > table.revision));
          }
        };
        for (const each of sent) {
          const missing = intake.delta(each);
          // An answer may be long in coming: later messages overtake it.
          if (pick(2) === 0) pull(missing);
        }
        // What the periodic report would bring.
        pull('changes');
        expect(table.entries).toEqual(model);
        expect(table.revision).toBe(BigInt(deltas.length));
      }),
    );
  });
});
