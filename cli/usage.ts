import { DomainError, type ErrorCode } from '#platform/errors/domain-error.ts';
import type { Command, Flag } from './command.ts';

/** What a wrong command line throws: exit code 2 and the way to the help. */
export const usageError = (message: string): DomainError => new DomainError('invalid', 'USAGE', message);

/** Exit codes, as `weft --help` lists them. */
export const EXIT: Readonly<Record<ErrorCode | 'ok', number>> = {
  ok: 0,
  internal: 1,
  invalid: 2,
  not_found: 3,
  exists: 4,
  conflict: 4,
  precondition: 4,
  exhausted: 4,
  out_of_range: 4,
  denied: 5,
  unavailable: 6,
  deadline: 7,
};

const EXIT_HELP = [
  'Exit codes:',
  '  0  done',
  '  1  failed',
  '  2  wrong arguments or values',
  '  3  no such object',
  '  4  refused: exists, in use, changed meanwhile, used up',
  '  5  not allowed',
  '  6  a part of weft cannot be reached',
  '  7  not done in time (a wait that ran out)',
];

const outputDoc = (more: readonly string[] = []): string =>
  `${['table (default)', 'json', ...more].join(', ')} or yaml`;

/** Flags that every command takes. */
export const GLOBAL_FLAGS: Readonly<Record<string, Flag>> = {
  address: {
    type: 'string',
    value: 'ADDRESS',
    doc: 'control plane: host:port or unix:/path ($WEFT_ADDRESS; default 127.0.0.1:7701)',
  },
  lab: {
    type: 'string',
    value: 'NAME',
    doc: 'the control plane and agents of that lab ($WEFT_LAB; default: the lab "lab", when one is up)',
  },
  agent: {
    type: 'string',
    value: 'ADDRESS',
    doc: 'an agent, for what only it knows (default unix:/run/weft/agent.sock; in a lab by --host)',
  },
  output: { type: 'string', short: 'o', value: 'FORMAT', doc: outputDoc() },
  help: { type: 'boolean', short: 'h', doc: 'this text' },
};

/** The list of commands, or of those under one noun. */
export const overview = (commands: readonly Command[]): string => {
  const rows = commands.map((command) => [`  weft ${synopsis(command)}`, command.summary] as const);
  const width = Math.min(46, Math.max(...rows.map(([left]) => left.length)) + 2);
  return [
    'weft: layer-2 overlay networks across plain hosts',
    '',
    'Commands:',
    ...rows.map(([left, right]) =>
      left.length < width ? left.padEnd(width) + right : `${left}\n${' '.repeat(width)}${right}`,
    ),
    '',
    '`weft COMMAND --help` tells more.',
    '',
    ...EXIT_HELP,
    '',
  ].join('\n');
};

/** The help of one command. */
export const commandHelp = (command: Command): string => {
  const all = { ...command.flags, ...GLOBAL_FLAGS, output: outputFlag(command) };
  const rows = Object.entries(all).map(([name, flag]) => {
    const short = flag.short === undefined ? '' : `-${flag.short}, `;
    return [
      `  ${short}--${name}${flag.value === undefined ? '' : ` ${flag.value}`}${flag.multiple === true ? ' ...' : ''}`,
      flag.doc,
    ] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [
    `weft ${command.path}: ${command.summary}`,
    '',
    `usage: weft ${synopsis(command)} [flags]`,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    'Flags:',
    ...rows.map(([left, right]) => left.padEnd(width) + right),
    '',
  ].join('\n');
};

const synopsis = (command: Command): string => [command.path, ...(command.args ?? [])].join(' ');

/** Some commands have formats of their own besides. */
const outputFlag = ({ formats }: Command): Flag => ({
  ...GLOBAL_FLAGS['output'],
  type: 'string',
  doc: outputDoc(formats),
});
