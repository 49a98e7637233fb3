import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SwitchPort, SwitchPorts } from './observed.ts';
import { PortNumbers } from './port-numbers.ts';

const portsOf = (numbers: Readonly<Record<string, number | undefined>>): SwitchPorts =>
  new Map(
    Object.entries(numbers).map(([device, ofport]): [string, SwitchPort] => [
      device,
      { device, isOurs: true, ...(ofport !== undefined && { ofport }) },
    ]),
  );

const never = new AbortController().signal;

test('a port that got another number is told of, one that got its first is not', () => {
  const numbers = new PortNumbers();
  expect(numbers.update(portsOf({ a: undefined, b: 2 }))).toEqual([]);
  expect(numbers.update(portsOf({ a: 1, b: 2 }))).toEqual([]);
  expect(numbers.update(portsOf({ a: 1, b: 3 }))).toEqual(['b']);
  expect([numbers.nameOf(2), numbers.nameOf(3)]).toEqual([undefined, 'b']);
});

test('ports that changed their numbers among themselves are all told of', () => {
  const numbers = new PortNumbers();
  numbers.update(portsOf({ a: 1, b: 2, c: 3 }));
  expect(numbers.update(portsOf({ a: 2, b: 3, c: 1 }))).toEqual(['a', 'b', 'c']);
  expect([1, 2, 3].map((number) => numbers.nameOf(number))).toEqual(['c', 'a', 'b']);
});

describe('a port that has gone', () => {
  test('is known by its number, so that its flows can be taken away', () => {
    const numbers = new PortNumbers();
    numbers.update(portsOf({ a: 1 }));
    numbers.update(portsOf({}));
    expect([numbers.now('a'), numbers.last('a'), numbers.nameOf(1)]).toEqual([undefined, 1, 'a']);
  });

  test('is not, once another has that number: what is done to its flows would be done to those of the other', () => {
    const numbers = new PortNumbers();
    numbers.update(portsOf({ a: 1 }));
    expect(numbers.update(portsOf({ b: 1 }))).toEqual([]);
    expect([numbers.last('a'), numbers.last('b'), numbers.nameOf(1)]).toEqual([undefined, 1, 'b']);
    expect(numbers.update(portsOf({ a: 2, b: 1 }))).toEqual([]);
    expect([numbers.last('a'), numbers.nameOf(2)]).toEqual([2, 'a']);
  });
});

test('a number that had no name when it was read stands for itself, as long as it has none', () => {
  const numbers = new PortNumbers();
  numbers.update(portsOf({ a: 1 }));
  expect([numbers.last(':7'), numbers.last(':1')]).toEqual([7, undefined]);
  expect(numbers.now(':7')).toBeUndefined();
});

test('names and numbers belong to each other whatever the switch does', () => {
  const devices = ['a', 'b', 'c', 'd'];
  const state = fc
    .uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 4, maxLength: 4 })
    .chain((numbers) =>
      fc
        .tuple(...devices.map((_, at) => fc.constantFrom('gone', 'waiting', numbers[at] ?? 0)))
        .map((each) =>
          Object.fromEntries(
            each.flatMap((number, at) =>
              number === 'gone' ? [] : [[devices[at] ?? '', typeof number === 'number' ? number : undefined] as const],
            ),
          ),
        ),
    );
  fc.assert(
    fc.property(fc.array(state, { minLength: 1, maxLength: 8 }), (states) => {
      const numbers = new PortNumbers();
      const lastSeen = new Map<string, number>();
      for (const each of states) {
        const renumbered = numbers.update(portsOf(each));
        for (const [device, ofport] of Object.entries(each)) {
          if (ofport === undefined) continue;
          expect(numbers.nameOf(ofport)).toBe(device);
          expect(numbers.last(device)).toBe(ofport);
          const before = lastSeen.get(device);
          // Only who lost his number to another in an earlier change may go untold: he was without one in between.
          if (before === ofport) expect(renumbered).not.toContain(device);
          lastSeen.set(device, ofport);
        }
        const known = devices.flatMap((device) => numbers.last(device) ?? []);
        expect(new Set(known).size).toBe(known.length);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('who waits for numbers goes on when all are there, or when the switch has said why not', async () => {
  const numbers = new PortNumbers();
  numbers.update(portsOf({ a: undefined, b: undefined }));
  let known = false;
  // What is no port gets no number, however long one waits.
  const waiting = numbers.known(new Set(['a', 'b', 'c']), never).then(() => {
    known = true;
  });
  numbers.update(portsOf({ a: 1, b: undefined }));
  await Promise.resolve();
  expect(known).toBe(false);
  const refused: SwitchPort = { device: 'b', isOurs: true, error: 'could not open network device b (No such device)' };
  numbers.update(new Map([...portsOf({ a: 1 }), ['b', refused]]));
  await waiting;
  expect(numbers.complaint('b')).toBe('could not open network device b (No such device)');
  expect(numbers.complaint('c')).toBe('c is no port of the bridge');
});

test('who waits goes on with the reason of his signal', async () => {
  const abort = new AbortController();
  const numbers = new PortNumbers();
  numbers.update(portsOf({ a: undefined }));
  const waiting = numbers.known(new Set(['a']), abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});
