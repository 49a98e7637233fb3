import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Where the commands of the document go instead of the addresses that stand there. */
export interface Place {
  /** Socket of the control plane. */
  readonly control: string;
  /** Socket of the agent that the document calls. */
  readonly agent: string;
  readonly lab: string;
}

/** The addresses of the document. */
const CONTROL = '127.0.0.1:7701';
const AGENT = '/run/weft/agent.sock';

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What a command printed, its complaints last, and how it ended. */
export interface Ending {
  readonly text: string;
  readonly status: number | null;
}

/** Runs a command of the document. */
export const runCommand = async (argv: readonly string[], place: Place): Promise<Ending> => {
  const [program = '', ...args] = located(argv, place);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      printed[stream] += chunk;
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  const status = await promise;
  return { text: printed.stdout + printed.stderr, status };
};

const located = (argv: readonly string[], place: Place): readonly string[] => {
  const [program, ...args] = argv;
  switch (program) {
    case 'timeout': {
      const [seconds = '', ...rest] = args;
      return ['timeout', seconds, ...located(rest, place)];
    }
    case 'buf':
      return [file('node_modules/.bin/buf'), ...args.flatMap((word) => locatedWord(word, place))];
    case 'weft':
      return [process.execPath, file('cli/weft.ts'), ...args, args[0] === 'lab' ? '--name' : '--lab', place.lab];
    default:
      throw new Error(`${program ?? 'nothing'} is no command of the examples`);
  }
};

const locatedWord = (word: string, { control, agent }: Place): readonly string[] => {
  if (word === AGENT) return [agent];
  const prefix = `http://${CONTROL}`;
  return word.startsWith(prefix) ? ['--unix-socket', control, `http://localhost${word.slice(prefix.length)}`] : [word];
};

/** The call of a `buf curl` command as a `grpcurl` command. */
export const asGrpcurl = (argv: readonly string[]): readonly string[] => {
  const limit = argv[0] === 'timeout' ? ['-max-time', argv[1] ?? ''] : [];
  const data = wordAfter(argv, '-d');
  const socket = wordAfter(argv, '--unix-socket');
  const url = new URL(argv.at(-1) ?? '');
  const call = argv.includes('--list-services') ? 'list' : url.pathname.slice(1);
  return [
    ...['grpcurl', '-plaintext', ...limit],
    ...(socket === undefined ? [] : ['-unix']),
    ...(data === undefined ? [] : ['-d', data]),
    socket ?? url.host,
    call,
  ];
};

const wordAfter = (argv: readonly string[], flag: string): string | undefined =>
  argv.includes(flag) ? argv[argv.indexOf(flag) + 1] : undefined;
