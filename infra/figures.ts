const BEGIN = '<!-- figures -->';
const END = '<!-- /figures -->';

/** A line of the table: what was measured, and the sentence that its figures make. */
interface Line {
  readonly what: string;
  readonly part: string;
  readonly says: (figure: (key: string) => string) => string;
}

const LINES: readonly Line[] = [
  {
    what: 'A tap appears → the last host has it in its kernel',
    part: 'convergence_ms',
    says: (figure) =>
      `p50 ${figure('p50')} ms, p99 ${figure('p99')} ms, at most ${figure('max')} ms; ${figure('hosts')} hosts, ${figure('n')} ports one by one`,
  },
  {
    what: 'Many taps at once → all of them in every kernel',
    part: 'bulk',
    says: (figure) =>
      `${figure('ports')} ports on ${figure('hosts')} hosts in ${figure('seconds')} s: ${figure('ports_per_second')} ports/s`,
  },
  {
    what: 'A table onto one host',
    part: 'entries',
    says: (figure) =>
      `${figure('count')} entries in ${figure('seconds')} s; in the same run \`bridge -batch\` takes ${figure('floor_seconds')} s for the FDB rows alone, \`ip -batch\` ${figure('floor_neighbours_seconds')} s for the neighbours`,
  },
  {
    what: "That host's agent is killed and started again",
    part: 'resync',
    says: (figure) =>
      `right after ${figure('seconds')} s, ${figure('operations')} operations, ${figure('pings_lost')} pings lost of one every 5 ms`,
  },
  {
    what: 'Resident memory then',
    part: 'rss_mb',
    says: (figure) =>
      `agent ${figure('agent')} MB, ipam ${figure('ipam')} MB, topology ${figure('topology')} MB, l2pop ${figure('l2pop')} MB`,
  },
  { what: 'Addresses leased', part: 'ipam', says: (figure) => `${figure('allocations_per_second')} per second` },
  {
    what: 'The floor: a NATS message, a Redis script',
    part: 'floor',
    says: (figure) => `${figure('nats_ms')} ms, ${figure('redis_ms')} ms`,
  },
];

/** The README with the table of the benchmark's results between its marks. Throws where there are no marks. */
export const withFigures = (readme: string, results: Readonly<Record<string, unknown>>): string => {
  const from = readme.indexOf(BEGIN);
  const to = readme.indexOf(END);
  if (from < 0 || to < from) throw new Error(`the README has no ${BEGIN} … ${END}`);
  return `${readme.slice(0, from + BEGIN.length)}\n\n${tableOf(results)}\n\n${readme.slice(to)}`;
};

/** A Markdown table, aligned as prettier does it. What was not measured is left out. */
const tableOf = (results: Readonly<Record<string, unknown>>): string => {
  const rows = LINES.flatMap(({ what, part, says }) => {
    const figures = results[part];
    return isObject(figures) ? [[what, says((key) => shown(figures[key]))] as const] : [];
  });
  const widths = [0, 1].map((at) => Math.max(3, ...rows.map((row) => (row[at] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [line(['', '']), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
};

/** Three significant digits; whole numbers as they are, in thousands. */
const shown = (value: unknown): string => {
  if (typeof value !== 'number') return 'not measured';
  return Number.isInteger(value) || value >= 1_000
    ? Math.round(value).toLocaleString('en')
    : Number(value.toPrecision(3)).toString();
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
