import type { Span, Trace } from '#proto/weft/trace/v1/trace.ts';
import { sleep } from '#platform/async/sleep.ts';
import { notFound } from '#platform/errors/domain-error.ts';
import type { SpanRecord } from '#platform/telemetry/span-record.ts';
import { buildTree, renderTree } from '#platform/telemetry/tree.ts';
import type { Command, CommandContext } from '../command.ts';
import { resolvePort, wholeNumber } from './resolve.ts';

/** Spans leave a process a little after they end: a trace younger than this may still grow. */
const SETTLE_MS = 1_300;

const toRecord = (trace: Trace, span: Span): SpanRecord => ({
  traceId: trace.trace_id,
  spanId: span.span_id,
  ...(span.parent_span_id !== '' && { parentSpanId: span.parent_span_id }),
  name: span.name,
  kind: 'unspecified',
  service: span.service,
  host: span.host_id,
  startUnixNano: BigInt(span.start_unix_nano),
  endUnixNano: BigInt(span.end_unix_nano),
  attributes: {},
  events: span.commands.map((command) => ({
    name: 'operation',
    timeUnixNano: 0n,
    attributes: { 'weft.command': command },
  })),
  links: [],
  status: span.error === '' ? { code: 'unset', message: '' } : { code: 'error', message: span.error },
});

const show = ({ output }: CommandContext, trace: Trace): void => {
  const spans = trace.spans.map((span) => toRecord(trace, span));
  const [first] = spans;
  if (first === undefined) return;
  const end = spans.reduce((latest, { endUnixNano }) => (endUnixNano > latest ? endUnixNano : latest), 0n);
  const total = Number(end - first.startUnixNano) / 1e6;
  const when = new Date(Number(first.startUnixNano / 1_000_000n)).toISOString();
  output.text('');
  output.text(`${when}  trace ${trace.trace_id}  ${total.toFixed(2)} ms`);
  for (const line of renderTree(buildTree(spans))) output.text(line);
};

/** `weft explain …` */
export const explainCommands: readonly Command[] = [
  {
    path: 'explain port',
    summary: 'who did what for a port, on which host, when, with the equivalent command',
    args: ['PORT'],
    flags: { last: { type: 'string', value: 'N', doc: 'that many traces, newest last (default 3)' } },
    details: 'Reads the last traces that `weft up` keeps in memory. A port that is deleted is still found by its id.',
    run: async (context) => {
      const { args, flags, connections, output, signal } = context;
      const given = args[0] ?? '';
      const id = /^[0-9a-f-]{36}$/.test(given) ? given : (await resolvePort(context, given)).id;
      const page_size = wholeNumber('last', flags.text('last') ?? '3');
      const request = { object_kind: 'port', object_id: id, page_size };
      const traces = await connections.trace();
      let found = await traces.listTraces(request, { signal });
      const newest = found.traces[0]?.spans.at(-1)?.end_unix_nano ?? '0';
      if (found.traces.length === 0 || Date.now() - Number(BigInt(newest) / 1_000_000n) < SETTLE_MS) {
        await sleep(SETTLE_MS, signal);
        found = await traces.listTraces(request, { signal });
      }
      if (found.traces.length === 0) throw notFound('trace', `of port ${id}`);
      output.data(found.traces);
      for (const trace of [...found.traces].reverse()) show(context, trace);
      return undefined;
    },
  },
];
