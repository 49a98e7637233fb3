import { byStart, commandsOf, type SpanRecord } from './span-record.ts';

/** A step of a trace with the steps it caused; without a span it is a note that stands for what was not recorded. */
export interface TraceNode {
  readonly span?: SpanRecord;
  /** The span's name, or what the note has to say. */
  readonly name: string;
  /** Milliseconds since the earliest span of the trace. */
  readonly startMs: number;
  readonly durationMs: number;
  /** By start, then span id: the same spans always give the same tree. */
  readonly children: readonly TraceNode[];
}

interface Growing extends TraceNode {
  readonly children: Growing[];
}

/**
 * The spans of one trace as trees. Usually one; more when there are several roots, and a note for each missing parent with
 * its orphans under it. Spans that name each other as parents (no honest process makes such) hang under a note as well.
 */
export const buildTree = (spans: readonly SpanRecord[]): readonly TraceNode[] => {
  const nodes = nodesOf(spans);
  const roots: Growing[] = [];
  const notes = new Map<string, Growing>();
  const under = (note: string, node: Growing): void => {
    const known = notes.get(note);
    if (known !== undefined) {
      known.children.push(node);
      return;
    }
    const made = { name: note, startMs: node.startMs, durationMs: 0, children: [node] };
    notes.set(note, made);
    roots.push(made);
  };
  const circular = circularIds(nodes);
  for (const [id, { span, node }] of nodes) {
    const parent = span.parentSpanId;
    if (parent === undefined) roots.push(node);
    else if (circular.has(id)) under('(circular parents)', node);
    else if (nodes.has(parent)) nodes.get(parent)?.node.children.push(node);
    else under(`(parent ${parent} not recorded)`, node);
  }
  // Spans arrive sorted, so children are; notes take the place of their first child.
  return roots.sort((a, b) => a.startMs - b.startMs);
};

/** Lines for a terminal: host or service, name, offset and duration, and the commands each step stands for. */
export const renderTree = (tree: readonly TraceNode[]): readonly string[] => {
  const lines: string[] = [];
  // An own stack: a trace may be deeper than the call stack.
  const pending: Frame[] = tree.map((node): Frame => ({ node, own: '', below: '' })).reverse();
  for (let frame = pending.pop(); frame !== undefined; frame = pending.pop()) {
    const { node, own, below } = frame;
    lines.push(own + headline(node));
    const trunk = below + (node.children.length > 0 ? '│  ' : '   ');
    for (const command of node.span === undefined ? [] : commandsOf(node.span))
      lines.push(`${trunk}$ ${printable(command)}`);
    const last = node.children.length - 1;
    for (const [index, child] of [...node.children.entries()].reverse())
      pending.push({
        node: child,
        own: below + (index === last ? '└─ ' : '├─ '),
        below: below + (index === last ? '   ' : '│  '),
      });
  }
  return lines;
};

interface Frame {
  readonly node: TraceNode;
  /** What stands before the node's own line, and before those below it. */
  readonly own: string;
  readonly below: string;
}

const headline = ({ span, name, startMs, durationMs }: TraceNode): string => {
  if (span === undefined) return name;
  const where = span.host === '' ? span.service : `${span.host}/${span.service}`;
  const failed =
    span.status.code === 'error' ? `  ERROR${span.status.message && ': '}${printable(span.status.message)}` : '';
  return `${printable(where)}  ${printable(name)}  +${ms(startMs)}  ${ms(durationMs)}${failed}`;
};

const ms = (value: number): string => `${value.toFixed(2)} ms`;

// What a peer sent must not drive the terminal of the one who reads it.
const printable = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

type Nodes = ReadonlyMap<string, { readonly span: SpanRecord; readonly node: Growing }>;

const nodesOf = (spans: readonly SpanRecord[]): Nodes => {
  const sorted = [...spans].sort(byStart);
  const origin = sorted[0]?.startUnixNano ?? 0n;
  return new Map(
    sorted.map((span) => [
      span.spanId,
      {
        span,
        node: {
          span,
          name: span.name,
          startMs: milliseconds(span.startUnixNano - origin),
          durationMs: Math.max(0, milliseconds(span.endUnixNano - span.startUnixNano)),
          children: [],
        },
      },
    ]),
  );
};

const milliseconds = (nanoseconds: bigint): number => Number(nanoseconds) / 1e6;

/** Ids of the spans that are their own ancestors. */
const circularIds = (nodes: Nodes): ReadonlySet<string> => {
  const sound = new Set<string>();
  const circular = new Set<string>();
  for (const start of nodes.keys()) {
    const path = new Set<string>();
    let id: string | undefined = start;
    while (id !== undefined && nodes.has(id) && !sound.has(id) && !circular.has(id) && !path.has(id)) {
      path.add(id);
      id = nodes.get(id)?.span.parentSpanId;
    }
    const loop = id !== undefined && path.has(id) ? [...path].slice([...path].indexOf(id)) : [];
    for (const member of path) sound.add(member);
    for (const member of loop) {
      sound.delete(member);
      circular.add(member);
    }
  }
  return circular;
};
