import { ThingKind, ThingOwner, type Thing, type ThingChange } from '#proto/weft/agent/v1/explain.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Command, CommandContext } from '../command.ts';

/** What one host has to say. */
export interface HostThings {
  readonly host: string;
  readonly things: readonly Thing[];
}

/** A host is looked at: programs run, into each of its namespaces. */
const TIMEOUT_MS = 20_000;

/**
 * Asks the agents of these hosts, all of them unless one is named. One that does not answer is told on standard error;
 * rejects when none does, and with what the agents said when all say the same.
 */
const askHosts = async (
  { connections, output, signal }: CommandContext,
  host: string | undefined,
  ask: (host: string) => Promise<readonly Thing[]>,
): Promise<readonly HostThings[]> => {
  const hosts = host === undefined || host === '' ? (await connections.endpoints()).hosts : [host];
  const answers = await Promise.all(
    hosts.map(async (each): Promise<HostThings | Error> => {
      try {
        return { host: each, things: await ask(each) };
      } catch (thrown) {
        return toError(thrown);
      }
    }),
  );
  signal.throwIfAborted();
  const found = answers.flatMap((answer) => (answer instanceof Error ? [] : [answer]));
  const failures = answers.flatMap((answer) => (answer instanceof Error ? [answer] : []));
  const isAbsent = (failure: Error): boolean => failure instanceof DomainError && failure.code === 'not_found';
  const worst = failures.find((failure) => !isAbsent(failure)) ?? failures[0];
  if (found.length === 0 && worst !== undefined) {
    if (hosts.length === 1 || !isAbsent(worst)) throw worst;
    throw new DomainError('not_found', 'THING_NOT_FOUND', `none of ${hosts.join(', ')}: ${worst.message}`, {
      cause: worst,
    });
  }
  for (const failure of failures) if (!isAbsent(failure)) output.note(`weft: ${failure.message}`);
  return found;
};

/** What serves an object, per host. */
export const listThings = async (
  context: CommandContext,
  object_kind: string,
  object_id: string,
  host?: string,
): Promise<readonly HostThings[]> =>
  askHosts(context, host, async (each) => {
    const agent = await context.connections.explain(each);
    const options = { signal: context.signal, timeoutMs: TIMEOUT_MS };
    return (await agent.listThings({ object_kind, object_id }, options)).things;
  });

const KINDS: readonly (readonly [ThingKind, string])[] = [
  [ThingKind.THING_KIND_NAMESPACE, 'namespaces'],
  [ThingKind.THING_KIND_DEVICE, 'devices'],
  [ThingKind.THING_KIND_PROCESS, 'processes'],
  [ThingKind.THING_KIND_RULE, 'rules'],
  [ThingKind.THING_KIND_FILE, 'files'],
];

/** Per host and kind, one line for each thing, with its last change under it. */
export const showServing = ({ output }: CommandContext, object: string, hosts: readonly HostThings[]): void => {
  for (const { host, things } of hosts) {
    output.text('');
    output.text(
      `${host === '' ? 'this host' : `host ${host}`}: ${things.length === 0 ? `nothing serves ${object}` : ''}`.trimEnd(),
    );
    for (const [kind, title] of KINDS) {
      const ofKind = things.filter((thing) => thing.kind === kind);
      if (ofKind.length === 0) continue;
      output.text(`  ${title}`);
      for (const thing of ofKind) {
        output.text(`    ${titleOf(thing)}: ${thing.description}${thing.present === false ? ' (gone)' : ''}`);
        const [last] = thing.changes;
        if (last !== undefined) output.text(`        ${occasionOf(last)}`);
      }
    }
  }
};

const titleOf = ({ name, namespace }: Thing): string => (namespace === '' ? name : `${name} in ${namespace}`);

const occasionOf = ({ time, cause, caller }: ThingChange): string =>
  `${time ?? ''}  ${cause}${caller === '' ? '' : ` by ${caller}`}`;

/** Everything about one thing. */
const showThing = ({ output }: CommandContext, host: string, thing: Thing): void => {
  const { object, present, changes, note } = thing;
  const count = Number(thing.change_count);
  output.text(`${host === '' ? '' : `host ${host}: `}${titleOf(thing)}: ${thing.description}`);
  if (object !== undefined) {
    output.text(`    serves ${object.kind} ${object.name === '' ? object.id : `${object.name} (${object.id})`}`);
  }
  if (present !== undefined)
    output.text(`    ${present ? 'the host has it now' : 'the host does not have it any more'}`);
  if (note !== '') output.text(`    ${note}`);
  if (thing.owner === ThingOwner.THING_OWNER_FOREIGN && changes.length === 0)
    output.text('    weft has not touched it');
  let before: ThingChange | undefined;
  for (const change of changes) {
    if (before?.time !== change.time || before?.trace_id !== change.trace_id) {
      output.text(`    ${occasionOf(change)}${change.trace_id === '' ? '' : `  (trace ${change.trace_id})`}`);
    }
    before = change;
    output.text(`        $ ${change.command}    # ${change.reason}`);
  }
  if (count > changes.length) output.text(`    ${count.toString()} changes in all`);
};

const explainThing = (kind: ThingKind, word: string, args: string, example: string): Command => ({
  path: `explain ${word}`,
  summary: `where a ${word} on a host came from: what it serves, each change with its command and who called`,
  args: [args],
  flags: {
    host: {
      type: 'string',
      value: 'HOST',
      doc: 'only that host (default: all of the lab, elsewhere the agent at hand)',
    },
  },
  details: `For example ${example}. What is not weft's is said to be somebody else's.`,
  run: async (context) => {
    const { args: given, flags, output, connections, signal } = context;
    const name = given[0] ?? '';
    const hosts = await askHosts(context, flags.text('host'), async (each) => {
      const agent = await connections.explain(each);
      return (await agent.explainThing({ kind, name }, { signal, timeoutMs: TIMEOUT_MS })).things;
    });
    output.data(hosts);
    for (const { host, things } of hosts) for (const thing of things) showThing(context, host, thing);
    return undefined;
  },
});

/** `weft explain …` of what is on a host. */
export const explainThingCommands: readonly Command[] = [
  explainThing(ThingKind.THING_KIND_DEVICE, 'device', 'NAME', '`weft explain device tap66aa1ee8-9b --host h1`'),
  explainThing(ThingKind.THING_KIND_NAMESPACE, 'namespace', 'NAME', '`weft explain namespace qrouter-…`'),
  explainThing(ThingKind.THING_KIND_PROCESS, 'process', 'NAME', '`weft explain process dnsmasq`, or the process id'),
  explainThing(
    ThingKind.THING_KIND_FILE,
    'file',
    'PATH',
    '`weft explain file /etc/sysconfig/network-scripts/ifcfg-blue`',
  ),
  explainThing(ThingKind.THING_KIND_RULE, 'rule', 'NAME', "`weft explain rule vxlan-70`, or `'nft bridge weft'`"),
];
