/** A line of the table: what was measured, and the sentence that its figures make. */
interface Line {
  readonly what: string;
  readonly part: string;
  readonly says: (figure: (key: string) => string) => string;
}

/** What the benchmark measured of a dataplane: where it wrote it, and how the README tells it. */
export interface Results {
  /** From the root of the repository. */
  readonly file: string;
  /** The table stands between `<!-- MARK -->` and `<!-- /MARK -->`. */
  readonly mark: string;
  readonly lines: readonly Line[];
}

const convergence = (where: string): Line => ({
  what: `A tap appears → the last host has it in its ${where}`,
  part: 'convergence_ms',
  says: (figure) =>
    `p50 ${figure('p50')} ms, p99 ${figure('p99')} ms, at most ${figure('max')} ms; ${figure('hosts')} hosts, ${figure('n')} ports one by one`,
});

const bulk = (where: string): Line => ({
  what: `Many taps at once → all of them in every ${where}`,
  part: 'bulk',
  says: (figure) =>
    `${figure('ports')} ports on ${figure('hosts')} hosts in ${figure('seconds')} s: ${figure('ports_per_second')} ports/s`,
});

const entries = (compare: (figure: (key: string) => string) => string): Line => ({
  what: 'A table onto one host',
  part: 'entries',
  says: (figure) => `${figure('count')} entries in ${figure('seconds')} s; in the same run ${compare(figure)}`,
});

const RESYNC: Line = {
  what: "That host's agent is killed and started again",
  part: 'resync',
  says: (figure) =>
    `right after ${figure('seconds')} s, ${figure('operations')} operations, ${figure('pings_lost')} pings lost of one every 5 ms`,
};

const memory = (processes: readonly string[]): Line => ({
  what: 'Resident memory then',
  part: 'rss_mb',
  says: (figure) => processes.map((name) => `${name} ${figure(name)} MB`).join(', '),
});

const SERVICES = ['ipam', 'topology', 'l2pop'];

const IPAM: Line = {
  what: 'Addresses leased',
  part: 'ipam',
  says: (figure) => `${figure('allocations_per_second')} per second`,
};

/** Hosts with Linux bridges: those of `make bench`. */
export const LINUXBRIDGE: Results = {
  file: 'test/bench/results.json',
  mark: 'figures',
  lines: [
    convergence('kernel'),
    bulk('kernel'),
    entries(
      (figure) =>
        `\`bridge -batch\` takes ${figure('floor_seconds')} s for the FDB rows alone, \`ip -batch\` ${figure('floor_neighbours_seconds')} s for the neighbours`,
    ),
    RESYNC,
    memory(['agent', ...SERVICES]),
    IPAM,
    {
      what: 'The floor: a NATS message, a Redis script',
      part: 'floor',
      says: (figure) => `${figure('nats_ms')} ms, ${figure('redis_ms')} ms`,
    },
  ],
};

/** Hosts with Open vSwitch: those of `make bench DRIVER=ovs`. */
export const OVS: Results = {
  file: 'test/bench/results-ovs.json',
  mark: 'figures ovs',
  lines: [
    convergence('switch'),
    bulk('switch'),
    entries((figure) => `\`ovs-ofctl --bundle add-flows\` takes ${figure('floor_seconds')} s for the same flows`),
    RESYNC,
    memory(['agent', 'vswitchd', ...SERVICES]),
    {
      what: 'The floor: a NATS message, a Redis script, an OVSDB transaction, a flow in a bundle',
      part: 'floor',
      says: (figure) =>
        `${figure('nats_ms')} ms, ${figure('redis_ms')} ms, ${figure('ovsdb_ms')} ms (${figure('ovsdb_live_ms')} ms until the switch has taken it up), ${figure('bundle_ms')} ms`,
    },
  ],
};

/** The README with the table of what was measured between its marks. Throws where there are no marks. */
export const withFigures = (readme: string, { mark, lines }: Results, measured: Measured): string => {
  const begin = `<!-- ${mark} -->`;
  const from = readme.indexOf(begin);
  const to = readme.indexOf(`<!-- /${mark} -->`);
  if (from < 0 || to < from) throw new Error(`the README has no ${begin} … <!-- /${mark} -->`);
  return `${readme.slice(0, from + begin.length)}\n\n${tableOf(lines, measured)}\n\n${readme.slice(to)}`;
};

/** What a file of results holds, by part. */
type Measured = Readonly<Record<string, unknown>>;

/** A Markdown table, aligned as prettier does it. What was not measured is left out. */
const tableOf = (lines: readonly Line[], measured: Measured): string => {
  const rows = lines.flatMap(({ what, part, says }) => {
    const figures = measured[part];
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
