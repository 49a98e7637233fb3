import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Operation, Outcome } from '../model/operation.ts';
import { outputOf } from '../sys/command.ts';
import type { CommandResult, CommandRunner } from '../sys/command.ts';
import { readCards, readNetwork } from './definition.ts';
import type { MachineCard, NetworkDefinition, ObservedNetwork } from './observed.ts';

// What went away between two commands is not there: that is news and no failure.
const GONE = /(?:Network|Domain) not found|failed to get (?:network|domain)|domain is not running/i;
const AWAY = /failed to connect to the hypervisor|cannot recv data|client socket is closed|Connection reset by peer/i;

/** libvirt by its command line. All reject with `unavailable` LIBVIRT_UNREACHABLE while it is away. */
export class Virsh {
  readonly #commands: CommandRunner;

  constructor(commands: CommandRunner) {
    this.#commands = commands;
  }

  /** All networks, by name. */
  async networks(signal: AbortSignal): Promise<ReadonlyMap<string, ObservedNetwork>> {
    const list = async (...flags: readonly string[]): Promise<ReadonlySet<string>> =>
      new Set(linesOf(await this.#output(['net-list', '--name', ...flags], signal)));
    const [all, active, persistent, autostart] = await Promise.all([
      list('--all'),
      list(),
      list('--all', '--persistent'),
      list('--all', '--autostart'),
    ]);
    const found = await Promise.all(
      [...all].map(async (name): Promise<ObservedNetwork | undefined> => {
        const [defined, inForce] = await Promise.all([
          persistent.has(name) ? this.#definition(['--inactive', '--network', name], signal) : undefined,
          active.has(name) ? this.#definition(['--network', name], signal) : undefined,
        ]);
        if (defined === undefined && inForce === undefined) return undefined;
        return { name, defined, active: inForce, autostart: autostart.has(name) };
      }),
    );
    return new Map(found.flatMap((network) => (network === undefined ? [] : [[network.name, network]])));
  }

  /** Cards of all machines that run. */
  async cards(signal: AbortSignal): Promise<readonly MachineCard[]> {
    const uuids = linesOf(await this.#output(['list', '--uuid'], signal));
    return (await Promise.all(uuids.map(async (uuid) => this.cardsOf(uuid, signal)))).flat();
  }

  /** Cards of one machine, by name or UUID; none when it does not run. */
  async cardsOf(domain: string, signal: AbortSignal): Promise<readonly MachineCard[]> {
    const xml = await this.#unlessGone(['dumpxml', '--domain', domain], signal);
    // A machine that is shut off has no devices on the host, but names that it once had.
    return xml === undefined || !RUNS.test(xml) ? [] : readCards(xml);
  }

  /** One outcome per operation, in order; one whose need has failed is not tried. */
  async perform(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const failed = new Set<string>();
    for (const operation of operations) {
      const missing = operation.needs?.find((key) => failed.has(key));
      const error = missing === undefined ? await this.#try(operation, signal) : `not tried: ${missing} failed`;
      if (error !== undefined) failed.add(operation.key);
      outcomes.push(error === undefined ? { operation } : { operation, error });
    }
    return outcomes;
  }

  async #try({ argv }: Operation, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { status, stderr } = await this.#commands.run(argv, signal);
      return status === 0 ? undefined : stderr.trim() || `exit status ${status.toString()}`;
    } catch (thrown) {
      signal.throwIfAborted();
      return toError(thrown).message;
    }
  }

  async #definition(words: readonly string[], signal: AbortSignal): Promise<NetworkDefinition | undefined> {
    const xml = await this.#unlessGone(['net-dumpxml', ...words], signal);
    return xml === undefined ? undefined : readNetwork(xml);
  }

  async #unlessGone(words: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    const argv = ['virsh', ...words];
    const result = await this.#commands.run(argv, signal);
    if (result.status === 0) return result.stdout;
    refuseAway(argv, result);
    if (GONE.test(result.stderr)) return undefined;
    return await this.#output(words, signal);
  }

  async #output(words: readonly string[], signal: AbortSignal): Promise<string> {
    const argv = ['virsh', ...words];
    const told: CommandRunner = {
      run: async (...args) => {
        const result = await this.#commands.run(...args);
        refuseAway(argv, result);
        return result;
      },
    };
    return await outputOf(told, argv, signal);
  }
}

/** Only a machine that runs has an id. */
const RUNS = /^<domain [^>]*\bid=/;

const refuseAway = (argv: readonly string[], { status, stderr }: CommandResult): void => {
  if (status === 0 || !AWAY.test(stderr)) return;
  const why = stderr.trim().split('\n').at(-1) ?? '';
  throw new DomainError('unavailable', 'LIBVIRT_UNREACHABLE', `libvirt does not answer (${argv.join(' ')}): ${why}`);
};

const linesOf = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
