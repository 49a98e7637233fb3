import type { Span, Trace } from '#proto/weft/trace/v1/trace.ts';
import { sleep } from '#platform/async/sleep.ts';
import { notFound } from '#platform/errors/domain-error.ts';
import type { SpanRecord } from '#platform/telemetry/span-record.ts';
import { buildTree, renderTree } from '#platform/telemetry/tree.ts';
import type { Command, CommandContext } from '../command.ts';
import { listThings, showServing } from './explain-things.ts';
import { resolveNetwork, resolvePort, resolveRouter, UUID, wholeNumber } from './resolve.ts';

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

/** The last traces that name an object; once more after a moment where the newest may still grow. */
const tracesOf = async (
  { flags, connections, signal }: CommandContext,
  object_kind: string,
  object_id: string,
  last: string,
): Promise<readonly Trace[]> => {
  const page_size = wholeNumber('last', flags.text('last') ?? last);
  if (flags.has('last') && page_size === 0) return [];
  const request = { object_kind, object_id, page_size };
  const traces = await connections.trace();
  const found = await traces.listTraces(request, { signal });
  const newest = found.traces[0]?.spans.at(-1)?.end_unix_nano ?? '0';
  if (found.traces.length > 0 && Date.now() - Number(BigInt(newest) / 1_000_000n) >= SETTLE_MS) return found.traces;
  await sleep(SETTLE_MS, signal);
  return (await traces.listTraces(request, { signal })).traces;
};

const lastFlag = (value: string) =>
  ({
    last: {
      type: 'string',
      value: 'N',
      doc: `that many traces, newest last (default ${value}; 0: only what is on the hosts)`,
    },
  }) as const;

/** `weft explain` for an object of the control plane: its traces, and what serves it on each host. */
const explainObject = (
  kind: 'network' | 'router',
  resolve: (context: CommandContext, nameOrId: string) => Promise<{ readonly id: string }>,
): Command => ({
  path: `explain ${kind}`,
  summary: `what serves a ${kind} on each host, and who had it made`,
  args: [kind.toUpperCase()],
  flags: lastFlag('1'),
  details: `Asks the agents of all hosts of a lab, elsewhere the one at hand (--agent), and \`weft up\` for its traces.`,
  run: async (context) => {
    const { id } = await resolve(context, context.args[0] ?? '');
    const traces = await tracesOf(context, kind, id, '1');
    const hosts = await listThings(context, kind, id);
    context.output.data({ traces, hosts });
    for (const trace of [...traces].reverse()) show(context, trace);
    showServing(context, `${kind} ${id}`, hosts);
    return undefined;
  },
});

/** `weft explain …` of what the control plane has a record of. */
export const explainCommands: readonly Command[] = [
  {
    path: 'explain port',
    summary: 'who did what for a port, on which host, when, with the equivalent command',
    args: ['PORT'],
    flags: lastFlag('3'),
    details:
      'Reads the last traces that `weft up` keeps in memory, and asks the agents what serves the port. A port that is deleted\n' +
      'is still found by its id.',
    run: async (context) => {
      const { args, output } = context;
      const given = args[0] ?? '';
      const id = UUID.test(given) ? given : (await resolvePort(context, given)).id;
      const traces = await tracesOf(context, 'port', id, '3');
      const hosts = output.machine ? [] : await listThings(context, 'port', id);
      if (traces.length === 0 && hosts.every(({ things }) => things.length === 0))
        throw notFound('trace', `of port ${id}`);
      output.data(traces);
      for (const trace of [...traces].reverse()) show(context, trace);
      showServing(context, `port ${id}`, hosts);
      return undefined;
    },
  },
  explainObject('network', resolveNetwork),
  explainObject('router', resolveRouter),
  {
    path: 'explain host',
    summary: "everything on a host that is weft's: what it serves, and its last change",
    args: ['HOST'],
    details: "Asks the host's agent: in a lab by name, elsewhere at --agent. `weft host show` draws it.",
    run: async (context) => {
      const hosts = await listThings(context, '', '', context.args[0] ?? '');
      context.output.data(hosts);
      showServing(context, 'the mesh', hosts);
      return undefined;
    },
  },
];
