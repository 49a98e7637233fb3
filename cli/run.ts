import { parseArgs } from 'node:util';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { Connections } from './client/connections.ts';
import { findEndpoints } from './client/endpoints.ts';
import { Flags, toDescriptor, type Command } from './command.ts';
import { commands } from './commands/index.ts';
import { environment } from './config/environment.ts';
import { Output, printJson, type Print } from './output/output.ts';
import { commandHelp, EXIT, GLOBAL_FLAGS, overview, usageError } from './usage.ts';

const SECOND_INTERRUPT = 130;

/** Runs one command line; resolves with the exit code. What goes wrong is a sentence on `err`. */
export const run = async (
  argv: readonly string[],
  out: NodeJS.WritableStream,
  err: NodeJS.WritableStream & { readonly isTTY?: boolean },
): Promise<number> => {
  const output = new Output(wantsData(argv) ? printJson : undefined, out, err);
  try {
    return await dispatch(argv, output, out, err);
  } catch (thrown) {
    const error = toError(thrown);
    const code = error instanceof DomainError ? error.code : 'internal';
    const isUsage = error instanceof DomainError && error.reason === 'USAGE';
    const trace = error instanceof DomainError ? error.details['trace_id'] : undefined;
    output.note(`weft: ${error.message}${trace === undefined ? '' : ` (trace ${trace})`}`);
    if (error instanceof DomainError && error.violations.length > 1) {
      for (const { field, description } of error.violations) output.note(`  ${field}: ${description}`);
    }
    if (isUsage) output.note('see `weft --help`');
    return EXIT[code];
  }
};

const dispatch = async (
  argv: readonly string[],
  output: Output,
  out: NodeJS.WritableStream,
  err: NodeJS.WritableStream & { readonly isTTY?: boolean },
): Promise<number> => {
  const [first] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    out.write(overview(commands));
    return first === undefined ? EXIT.invalid : EXIT.ok;
  }
  const found = findCommand(argv);
  if (found === undefined) return unknown(argv, out);
  const { command, rest } = found;
  if (command.raw === true) return (await runRaw(command, rest, output)) ?? EXIT.ok;
  const { values, positionals } = parse(command, rest);
  if (values['help'] === true) {
    out.write(commandHelp(command));
    return EXIT.ok;
  }
  const print = await printerOf(values['output'] ?? 'table', command.formats);
  checkArguments(command, positionals);
  const flags = new Flags(values);
  const env = environment();
  using connections = new Connections(async () =>
    Promise.resolve(
      findEndpoints({
        address: flags.text('address') ?? (flags.has('lab') ? undefined : env.address),
        agent: flags.text('agent'),
        lab: flags.text('lab') ?? env.lab,
      }),
    ),
  );
  using interrupt = interruptible();
  const context = {
    args: positionals,
    flags,
    connections,
    output: new Output(print, out, err),
    signal: interrupt.signal,
  };
  return (await command.run(context)) ?? EXIT.ok;
};

const runRaw = async (command: Command, rest: readonly string[], output: Output): Promise<number | undefined> => {
  using connections = new Connections(async () =>
    Promise.resolve(findEndpoints({ address: undefined, agent: undefined, lab: undefined })),
  );
  const signal = new AbortController().signal;
  const code = await command.run({ args: rest, flags: new Flags({}), connections, output, signal });
  return code ?? (typeof process.exitCode === 'number' ? process.exitCode : undefined);
};

/** The command with the most words that the line begins with. */
const findCommand = (
  argv: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } | undefined => {
  const fits = commands.filter(({ path }) => path.split(' ').every((word, index) => argv[index] === word));
  const command = fits.sort((a, b) => b.path.split(' ').length - a.path.split(' ').length)[0];
  return command === undefined ? undefined : { command, rest: argv.slice(command.path.split(' ').length) };
};

const unknown = (argv: readonly string[], out: NodeJS.WritableStream): number => {
  const noun = argv[0] ?? '';
  const siblings = commands.filter(({ path }) => path.split(' ')[0] === noun);
  if (siblings.length === 0) throw usageError(`"${noun}" is not a command`);
  const asked = argv[1];
  if (asked === undefined || asked === '--help' || asked === '-h') {
    out.write(overview(siblings));
    return asked === undefined ? EXIT.invalid : EXIT.ok;
  }
  throw usageError(`"${noun} ${asked}" is not a command; there are: ${siblings.map(({ path }) => path).join(', ')}`);
};

const parse = (command: Command, rest: readonly string[]) => {
  const known = { ...command.flags, ...GLOBAL_FLAGS };
  try {
    return parseArgs({
      args: [...rest],
      options: Object.fromEntries(Object.entries(known).map(([name, flag]) => [name, toDescriptor(flag)])),
      allowPositionals: true,
      strict: true,
    });
  } catch (thrown) {
    throw usageError(`${command.path}: ${toError(thrown).message}`);
  }
};

const checkArguments = (command: Command, given: readonly string[]): void => {
  const wanted = (command.args ?? []).filter((arg) => arg !== '--');
  const required = wanted.filter((arg) => !arg.startsWith('['));
  const open = wanted.some((arg) => arg.includes('...'));
  const missing = required[given.length];
  if (missing !== undefined && given.length < required.length)
    throw usageError(`${command.path}: ${missing} is missing`);
  if (!open && given.length > wanted.length)
    throw usageError(`${command.path}: "${given[wanted.length] ?? ''}" is one argument too many`);
};

const wantsData = (argv: readonly string[]): boolean => {
  const at = argv.findIndex((word) => word === '-o' || word === '--output');
  return at >= 0 && argv[at + 1] !== 'table';
};

const printerOf = async (format: unknown, more: readonly string[] = []): Promise<Print | undefined> => {
  if (format === 'table' || (typeof format === 'string' && more.includes(format))) return undefined;
  if (format === 'json') return printJson;
  if (format !== 'yaml') {
    const known = ['table', 'json', 'yaml', ...more];
    throw usageError(`--output: "${String(format)}" is not ${known.slice(0, -1).join(', ')} or ${known.at(-1) ?? ''}`);
  }
  const { stringify } = await import('yaml');
  // One document per value, so that a stream of them can be read; the newline at the end is the output's.
  return (value) => `---\n${stringify(value)}`.trimEnd();
};

/** A signal that the first Ctrl-C aborts; the second one ends the process. */
const interruptible = (): Disposable & { readonly signal: AbortSignal } => {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(SECOND_INTERRUPT);
    controller.abort(new DomainError('unavailable', 'INTERRUPTED', 'interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
};
