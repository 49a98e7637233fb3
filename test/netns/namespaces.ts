import { execFile, execFileSync } from 'node:child_process';
import type { ExecFileException } from 'node:child_process';

/** What a command in a namespace said; a failure is an answer, too. */
export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const statusOf = (error: ExecFileException | null): number => {
  if (error === null) return 0;
  return typeof error.code === 'number' ? error.code : -1;
};

const run = async (argv: readonly string[]): Promise<Said> =>
  await new Promise((resolve) => {
    const [program = '', ...rest] = argv;
    execFile(program, rest, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      resolve({ status: statusOf(error), stdout, stderr });
    });
  });

/** Runs a command that must succeed. */
const must = async (argv: readonly string[]): Promise<string> => {
  const { status, stdout, stderr } = await run(argv);
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status.toString()}: ${stderr}`);
  return stdout;
};

let count = 0;

/**
 * Network namespaces of one test, and the veth pairs between them. All are gone at the end of its scope, and when the
 * process ends before that.
 */
export class Namespaces implements AsyncDisposable {
  readonly #names: string[] = [];
  readonly #tag: string;
  readonly #onExit = (): void => {
    for (const name of this.#names) execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  };

  constructor() {
    count += 1;
    this.#tag = `weft-test-${process.pid.toString()}-${count.toString()}`;
    process.once('exit', this.#onExit);
  }

  /** A new namespace with its loopback up. */
  async add(label: string): Promise<Namespace> {
    const name = `${this.#tag}-${this.#names.length.toString()}-${label}`;
    await must(['ip', 'netns', 'add', name]);
    this.#names.push(name);
    const namespace = new Namespace(name);
    await namespace.must('ip', 'link', 'set', 'lo', 'up');
    return namespace;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names.splice(0)) await must(['ip', 'netns', 'del', name]);
    process.removeListener('exit', this.#onExit);
  }
}

export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** What enters it. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  async run(...argv: readonly string[]): Promise<Said> {
    return await run([...this.prefix, ...argv]);
  }

  async must(...argv: readonly string[]): Promise<string> {
    return await must([...this.prefix, ...argv]);
  }

  /** A veth pair with one end here and the other, perhaps under another MAC address, there. */
  async veth(here: string, other: Namespace, there: string, mac?: string): Promise<void> {
    await this.must(
      ...['ip', 'link', 'add', 'name', here, 'type', 'veth', 'peer', 'name', there],
      ...(mac === undefined ? [] : ['address', mac]),
      ...['netns', other.name],
    );
  }

  /** Packets sent out of a device so far. */
  async sent(device: string): Promise<number> {
    const [link] = JSON.parse(
      await this.must('ip', '-json', '-statistics', 'link', 'show', 'dev', device),
    ) as readonly {
      readonly stats64: { readonly tx: { readonly packets: number } };
    }[];
    if (link === undefined) throw new Error(`no ${device}`);
    return link.stats64.tx.packets;
  }
}
