import fc from 'fast-check';
import { expect, test } from 'vitest';
import { madeSpan } from './spans.fixture.ts';
import type { SpanRecord } from './span-record.ts';
import { buildTree, renderTree, type TraceNode } from './tree.ts';

const boot: readonly SpanRecord[] = [
  madeSpan({ trace: 1, id: 1, startMs: 0, endMs: 3.2, name: 'port.up', host: 'a' }),
  madeSpan({
    trace: 1,
    id: 2,
    parent: 1,
    startMs: 0.4,
    endMs: 1.5,
    name: 'weft.topology.v1.TopologyService/ReportPortUp',
    service: 'weft-topology',
  }),
  madeSpan({ trace: 1, id: 3, parent: 2, startMs: 0.6, endMs: 0.9, name: 'redis bind_port', service: 'weft-topology' }),
  madeSpan({
    trace: 1,
    id: 4,
    parent: 1,
    startMs: 2,
    endMs: 3.125,
    name: 'apply',
    host: 'b',
    attributes: { 'weft.command': 'ip link add vxlan-7 type vxlan id 7' },
    events: [
      {
        name: 'operation',
        timeUnixNano: 0n,
        attributes: { 'weft.command': 'bridge fdb append 00:00:00:00:00:00 dev vxlan-7' },
      },
      { name: 'other', timeUnixNano: 0n, attributes: { 'weft.command': 'not this' } },
    ],
    status: { code: 'error', message: 'device busy' },
  }),
  madeSpan({ trace: 1, id: 5, parent: 4, startMs: 2.5, endMs: 2.6, name: 'verify', host: 'b' }),
];

test('a trace reads as a tree of who did what where, when, and by which commands', () => {
  expect(renderTree(buildTree(boot))).toEqual([
    'a/weft-agent  port.up  +0.00 ms  3.20 ms',
    '├─ weft-topology  weft.topology.v1.TopologyService/ReportPortUp  +0.40 ms  1.10 ms',
    '│  └─ weft-topology  redis bind_port  +0.60 ms  0.30 ms',
    '└─ b/weft-agent  apply  +2.00 ms  1.13 ms  ERROR: device busy',
    '   │  $ ip link add vxlan-7 type vxlan id 7',
    '   │  $ bridge fdb append 00:00:00:00:00:00 dev vxlan-7',
    '   └─ b/weft-agent  verify  +2.50 ms  0.10 ms',
  ]);
});

test('spans whose parent is missing hang under a note in its place', () => {
  const tree = buildTree(boot.filter(({ name }) => name !== 'apply' && name !== 'port.up'));
  expect(renderTree(tree)).toEqual([
    '(parent 0000000000000001 not recorded)',
    '└─ weft-topology  weft.topology.v1.TopologyService/ReportPortUp  +0.00 ms  1.10 ms',
    '   └─ weft-topology  redis bind_port  +0.20 ms  0.30 ms',
    '(parent 0000000000000004 not recorded)',
    '└─ b/weft-agent  verify  +2.10 ms  0.10 ms',
  ]);
});

test('spans that are their own ancestors are shown once and end no process', () => {
  const tree = buildTree([
    madeSpan({ trace: 1, id: 1, parent: 3 }),
    madeSpan({ trace: 1, id: 2, parent: 1 }),
    madeSpan({ trace: 1, id: 3, parent: 2 }),
    madeSpan({ trace: 1, id: 4, parent: 4 }),
    madeSpan({ trace: 1, id: 5, parent: 3 }),
  ]);
  expect(renderTree(tree).map((line) => line.replace(/weft-agent {2}|\s\s\+.*/g, ''))).toEqual([
    '(circular parents)',
    '├─ span 1',
    '├─ span 2',
    '├─ span 3',
    '│  └─ span 5',
    '└─ span 4',
  ]);
});

test('what peers sent cannot drive the terminal', () => {
  const [line = ''] = renderTree(buildTree([madeSpan({ trace: 1, id: 1, name: 'a\u001b[2Jb\nc' })]));
  expect(line).toContain('a [2Jb c');
});

test('a chain deeper than the call stack is drawn', () => {
  const deep = Array.from({ length: 20_000 }, (_, index) =>
    madeSpan({ trace: 1, id: index + 1, ...(index > 0 && { parent: index }), startMs: 0 }),
  );
  expect(buildTree(deep)).toHaveLength(1);
});

test('whatever the parents: every span once, and the same tree for any order', () => {
  const parents = fc.array(fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(parents, fc.nat(), (chosen, seed) => {
      const spans = chosen.map((parent, index) =>
        madeSpan({ trace: 1, id: index + 1, startMs: index % 5, ...(parent !== undefined && { parent }) }),
      );
      const shuffled = spans.toSorted(
        (a, b) =>
          Number((BigInt(`0x${a.spanId}`) * 7_919n + BigInt(seed)) % 31n) -
          Number((BigInt(`0x${b.spanId}`) * 7_919n + BigInt(seed)) % 31n),
      );
      const tree = buildTree(spans);
      expect(buildTree(shuffled)).toEqual(tree);
      const ids = (nodes: readonly TraceNode[]): readonly string[] =>
        nodes.flatMap((node) => [...(node.span === undefined ? [] : [node.span.spanId]), ...ids(node.children)]);
      expect(ids(tree).toSorted()).toEqual(spans.map(({ spanId }) => spanId));
    }),
  );
});
