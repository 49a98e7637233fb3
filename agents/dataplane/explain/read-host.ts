import type { VswitchDatabase } from '../protocols/ovsdb/vswitch-database.ts';
import { Bridge, Interface, Port } from '../protocols/ovsdb/vswitch-tables.ts';
import { jsonObjects, type CommandRunner } from '../sys/command.ts';
import type { HostFiles } from '../sys/host-files.ts';
import { parseDevice, parseFlood, parseNamespace, parseRoute, parseTables } from './dump.ts';
import type {
  HostDevice,
  HostLook,
  HostNamespace,
  HostProcess,
  HostTable,
  SwitchBridge,
  SwitchPort,
} from './host-look.ts';

/** What looking needs of the host. */
export interface LookTools {
  readonly commands: CommandRunner;
  readonly files: Pick<HostFiles, 'read'>;
  readonly database: VswitchDatabase;
}

/** More namespaces than these are not looked into. */
const NAMESPACES = 256;

/** Looks at all that explains or pictures the host. What cannot be read (a tool that is not there) is left out. */
export const readHost = async (tools: LookTools, signal: AbortSignal): Promise<HostLook> => {
  const objects = async (...argv: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const { status, stdout } = await said(tools, argv, signal);
    return status === 0 ? jsonObjects(argv.join(' '), stdout) : [];
  };
  const [devices, namespaces, tables, rows] = await Promise.all([
    objects('ip', '-json', '-details', 'address', 'show'),
    objects('ip', '-json', 'netns', 'list'),
    objects('nft', '-j', 'list', 'chains'),
    objects('bridge', '-json', 'fdb', 'show'),
  ]);
  const names = namespaces.flatMap((each) => parseNamespace(each) ?? []).slice(0, NAMESPACES);
  const inside = await Promise.all(names.map(async (name) => readNamespace(tools, name, objects, signal)));
  return {
    time: new Date(),
    devices: [...devices.flatMap((each) => parseDevice(each, '') ?? []), ...inside.flatMap((each) => each.devices)],
    namespaces: inside.map(({ namespace }) => namespace),
    tables: [...parseTables(tables, ''), ...inside.flatMap((each) => each.tables)],
    bridges: bridgesOf(tools.database),
    flood: parseFlood(rows),
  };
};

type Objects = (...argv: readonly string[]) => Promise<readonly Readonly<Record<string, unknown>>[]>;

const readNamespace = async (
  tools: LookTools,
  name: string,
  objects: Objects,
  signal: AbortSignal,
): Promise<{
  readonly devices: readonly HostDevice[];
  readonly namespace: HostNamespace;
  readonly tables: readonly HostTable[];
}> => {
  const [devices, routes, routes6, pids, tables] = await Promise.all([
    objects('ip', '-n', name, '-json', '-details', 'address', 'show'),
    objects('ip', '-n', name, '-json', 'route', 'show'),
    objects('ip', '-n', name, '-6', '-json', 'route', 'show', 'default'),
    said(tools, ['ip', 'netns', 'pids', name], signal),
    objects('ip', 'netns', 'exec', name, 'nft', '-j', 'list', 'chains'),
  ]);
  const processes = await Promise.all(
    pids.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(async (pid) => readProcess(tools, Number(pid), signal)),
  );
  return {
    devices: devices.flatMap((each) => parseDevice(each, name) ?? []),
    namespace: {
      name,
      routes: [...routes, ...routes6].flatMap((each) => parseRoute(each) ?? []),
      processes: processes.filter((each) => each !== undefined),
    },
    tables: parseTables(tables, name),
  };
};

/** A process of this host, undefined when there is none of that id. */
export const readProcess = async (
  { files }: Pick<LookTools, 'files'>,
  pid: number,
  signal: AbortSignal,
): Promise<HostProcess | undefined> => {
  const text = await files.read(`/proc/${pid.toString()}/cmdline`, signal).catch(() => undefined);
  return text === undefined || text === '' ? undefined : { pid, argv: text.replace(/\0$/, '').split('\0') };
};

const said = async (
  { commands }: LookTools,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly stdout: string }> => {
  try {
    return await commands.run(argv, signal);
  } catch {
    signal.throwIfAborted();
    return { status: 127, stdout: '' };
  }
};

const bridgesOf = ({ replica }: VswitchDatabase): readonly SwitchBridge[] => {
  if (!replica.current) return [];
  const [ports, interfaces] = [replica.rows(Port), replica.rows(Interface)];
  return [...replica.rows(Bridge).values()]
    .map((bridge) => ({
      name: bridge.name,
      ids: bridge.external_ids,
      ports: [...bridge.ports].flatMap((uuid): SwitchPort[] => {
        const port = ports.get(uuid);
        const [first] = port?.interfaces ?? [];
        const device = first === undefined ? undefined : interfaces.get(first);
        if (port === undefined || device === undefined) return [];
        return [
          {
            name: port.name,
            type: device.type,
            options: device.options,
            ids: new Map([...device.external_ids, ...port.external_ids]),
            ...(port.tag !== undefined && { tag: port.tag }),
          },
        ];
      }),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
};
