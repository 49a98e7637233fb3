import type { OperationResult } from '#proto/weft/agent/v1/agent.ts';
import { DeviceSet, PersistenceFormat, PersistenceState, type Persistence } from '#proto/weft/agent/v1/persistence.ts';
import type { Command, CommandContext, Flag } from '../command.ts';
import { readMessageFile } from '../input/message-file.ts';
import type { Output } from '../output/output.ts';
import { usageError } from '../usage.ts';

const HOST: Flag = { type: 'string', value: 'HOST', doc: 'in a lab: the host whose agent is asked' };

const FORMATS: Readonly<Record<string, PersistenceFormat>> = {
  nm: PersistenceFormat.PERSISTENCE_FORMAT_NETWORK_MANAGER,
  ifcfg: PersistenceFormat.PERSISTENCE_FORMAT_IFCFG,
  networkd: PersistenceFormat.PERSISTENCE_FORMAT_NETWORKD,
};

const formatOf = (format: PersistenceFormat): string =>
  Object.entries(FORMATS).find(([, each]) => each === format)?.[0] ?? '';

const stateOf = ({ state }: Persistence): string => state.replace('PERSISTENCE_STATE_', '');

const persistenceOf = async ({ flags, connections }: CommandContext) =>
  await connections.persistence(flags.text('host') ?? '');

/** The steps, as they went; resolves with the exit code. */
const showResults = (output: Output, results: readonly OperationResult[], dryRun: boolean): number => {
  for (const { operation, done, error } of results) {
    const command = operation?.command ?? '';
    output.text(dryRun ? command : done ? `$ ${command}` : `! ${command}: ${error}`);
  }
  return !dryRun && results.some(({ done }) => !done) ? 1 : 0;
};

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** Files with what they hold, and what a person would type instead. */
const showContents = (output: Output, { files, commands }: Persistence): void => {
  for (const { path, mode, content } of files) {
    output.text(`==> ${path} (${octal(mode)})`);
    output.text(content.trimEnd());
    output.text('');
  }
  output.text('The same, typed:');
  for (const command of commands) output.text(`  ${command}`);
};

/** `weft persist …` */
export const persistCommands: readonly Command[] = [
  {
    path: 'persist apply',
    summary: 'write configuration that survives a reboot, for an overlay or for devices of a file',
    args: ['[OVERLAY]'],
    flags: {
      format: { type: 'string', value: 'FORMAT', doc: 'nm (NetworkManager), ifcfg or networkd' },
      file: {
        type: 'string',
        short: 'f',
        value: 'FILE',
        doc: 'devices beside the overlay, as YAML or JSON; - for standard input',
      },
      'dry-run': { type: 'boolean', doc: 'print the files and the commands, and do nothing' },
      host: HOST,
    },
    details:
      'Without OVERLAY: for all overlays of the host. With a file, OVERLAY may also be the name of a set of devices that is no\n' +
      'overlay; the fields are those of weft.agent.v1.DeviceSet. What was asked for is kept true: the files change with the\n' +
      'overlay and go with it. Files of others are never touched. Exit code 1 when NetworkManager or systemd-networkd refused\n' +
      'what was written.',
    run: async (context) => {
      const { args, flags, output, signal } = context;
      const format = FORMATS[flags.text('format') ?? ''];
      if (format === undefined) throw usageError('persist apply: --format nm, --format ifcfg or --format networkd');
      const file = flags.text('file');
      const shape = { message: 'weft.agent.v1.DeviceSet', outputOnly: [] };
      const devices = file === undefined ? undefined : DeviceSet.fromJSON(await readMessageFile(file, shape));
      const dryRun = flags.on('dry-run');
      const request = { name: args[0] ?? '', format, devices, validate_only: dryRun };
      const answer = await (await persistenceOf(context)).applyPersistence(request, { signal });
      output.data(answer);
      if (dryRun) for (const each of answer.persistence) showContents(output, each);
      if (dryRun) output.text('What would be done:');
      const code = showResults(output, answer.results, dryRun);
      if (answer.results.length === 0) output.text('nothing to do');
      if (!output.machine)
        for (const { notes } of answer.persistence) for (const note of notes) output.note(`note: ${note}`);
      return code;
    },
  },
  {
    path: 'persist list',
    summary: 'list what is written to survive a reboot of a host',
    flags: { host: HOST },
    run: async (context) => {
      const { persistence } = await (await persistenceOf(context)).listPersistence({}, { signal: context.signal });
      context.output.rows(persistence, [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'FORMAT', value: ({ format }) => formatOf(format) },
        { title: 'FILES', value: ({ files }) => files.length.toString() },
        { title: 'STATE', value: stateOf },
      ]);
      return undefined;
    },
  },
  {
    path: 'persist get',
    summary: 'show what is written for an overlay, and in what files and devices differ from it',
    args: ['OVERLAY'],
    flags: { host: HOST },
    details: 'Exit code 0 when all is as it is to be, 1 otherwise.',
    run: async (context) => {
      const { args, output, signal } = context;
      const found = await (await persistenceOf(context)).getPersistence({ name: args[0] ?? '' }, { signal });
      output.data(found);
      if (!output.machine) {
        output.object({ name: found.name, format: formatOf(found.format), state: stateOf(found) });
        for (const { path, mode } of found.files) output.text(`file    ${path} (${octal(mode)})`);
        for (const { subject, difference } of found.differences) output.text(`differs ${subject} ${difference}`);
        for (const note of found.notes) output.text(`note    ${note}`);
      }
      return found.state === PersistenceState.PERSISTENCE_STATE_IN_SYNC ? 0 : 1;
    },
  },
  {
    path: 'persist delete',
    summary: 'take away what was written to survive a reboot, and nothing else',
    args: ['OVERLAY'],
    flags: { 'dry-run': { type: 'boolean', doc: 'print the commands that would be done, and do nothing' }, host: HOST },
    run: async (context) => {
      const { args, flags, output, signal } = context;
      const dryRun = flags.on('dry-run');
      const request = { name: args[0] ?? '', validate_only: dryRun };
      const answer = await (await persistenceOf(context)).deletePersistence(request, { signal });
      output.data(answer);
      return showResults(output, answer.results, dryRun);
    },
  },
];
