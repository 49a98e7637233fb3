import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchRequest, isBatchLine } from './batch-request.ts';

/** What the tool does with a line: does it, fails and goes on, or ends. */
type Fate = 'done' | 'fails' | 'ends';

/** Reads lines as the tool would, from whatever is written to it, until it ends or there are no more. */
const serve = (request: BatchRequest, linesBefore: number, done: string[]): 'answered' | 'ended' | 'waiting' => {
  let line = linesBefore;
  request.begin(linesBefore);
  for (let piece = request.next(); piece !== undefined; piece = request.next()) {
    const lines = piece.text.split('\n').slice(0, -1);
    expect(lines.length).toBe(piece.count);
    for (const text of lines) {
      line += 1;
      if (text.startsWith('ends')) return request.endedOver(`over ${text}`) ? 'answered' : 'ended';
      if (text.startsWith('done')) done.push(text);
      else if (request.failed(line, `no ${text}`)) return 'answered';
    }
    if (piece.last) break;
  }
  return 'waiting';
};

test('every line has its own answer, whatever the lines before it did to the tool', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom<Fate>('done', 'done', 'done', 'fails', 'ends'), { maxLength: 40 }),
      fc.nat({ max: 1_000 }),
      async (fates, linesBefore) => {
        const lines = fates.map((fate, index) => `${fate} ${index.toString()}`);
        const request = new BatchRequest(lines, 'barrier');
        const done: string[] = [];
        let processes = 0;
        for (let state = serve(request, linesBefore, done); state !== 'answered'; state = serve(request, 1, done)) {
          expect(state).toBe('ended');
          processes += 1;
          // One more process for each line that ends one, and one for finding the first.
          expect(processes).toBeLessThanOrEqual(fates.filter((fate) => fate === 'ends').length + 1);
        }
        const answers = await request.answer;
        expect(answers).toEqual(
          fates.map((fate, index) =>
            fate === 'done' ? undefined : `${fate === 'ends' ? 'over' : 'no'} ${fate} ${index.toString()}`,
          ),
        );
        expect(new Set(done)).toEqual(new Set(lines.filter((line) => line.startsWith('done'))));
      },
    ),
    { numRuns: 500 },
  );
});

test('many lines come in pieces that add up to all of them and one barrier', () => {
  const lines = Array.from({ length: 5_000 }, (_, index) => `done ${index.toString()}`);
  const request = new BatchRequest(lines, 'barrier');
  request.begin(7);
  let text = '';
  for (let piece = request.next(); piece !== undefined; piece = request.next()) text += piece.text;
  expect(text).toBe(`${lines.join('\n')}\nbarrier\n`);
});

test.each(['', 'a\nb', 'a # b', 'a "b"', "a 'b'", 'a \\', 'a\tb', 'ü', 'a%b'])('%j cannot stand in a batch', (line) => {
  expect(isBatchLine(line)).toBe(false);
});

test('what operations say can stand in a batch', () => {
  expect(isBatchLine('fdb replace fa:16:3e:00:00:01 dev vxlan-70 dst 2001:db8::1 port 8472 self master static')).toBe(
    true,
  );
});
