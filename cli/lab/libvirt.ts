import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { runInHost } from './in-host.ts';
import { libvirtFiles } from './libvirt-files.ts';
import type { LibvirtFiles } from './libvirt-files.ts';
import { LAB_MARK, parseLabHostName, parseLabName, parseProcessName } from './names.ts';
import { enterPlace, holderOf } from './place.ts';
import { isAlive } from './proc.ts';
import { processAdd, processStop } from './processes.ts';
import type { ProcessSpec } from './processes.ts';
import { processEnded } from './daemon.ts';
import type { LabHost } from './record.ts';
import { Tools } from './run.ts';
import type { RunResult } from './run.ts';
import { LIBVIRT_DIRS, makeMountPoint } from './shared-folders.ts';
import { existingLab } from './store.ts';
import type { LabStore } from './store.ts';
import { SYSTEM_PATH, toolPath } from './tools.ts';

/** A host of a lab with libvirt. */
export interface LibvirtRef {
  readonly lab: string;
  readonly host: string;
}

/** What it takes to work on the libvirt of a host. */
export interface LibvirtHost {
  readonly store: LabStore;
  readonly host: LabHost;
  readonly tools: Tools;
}

/** The name of the process. */
const LIBVIRTD = parseProcessName('process', 'libvirtd');
const SOCKET = '/run/libvirt/libvirt-sock';
/** What all of a host's own is kept in, as the host sees it. */
const OWN_RUN = '/run/lab';
const ANSWER_MS = 20_000;

/** Where consoles of machines are written to, as a host sees it. */
export const CONSOLE_DIR = '/var/log/libvirt';

/**
 * Starts libvirt on a host, with settings, state and virtual machines of the host's own, as the lab's process `libvirtd`, and
 * resolves once it answers. From then on the host has `virsh` and qemu below /usr. `labDown` takes all of it away. Rejects
 * with `exists` when the host has one running, `precondition` where libvirt is missing, `unavailable` with the end of a log
 * when it gives up; nothing more runs then than before.
 */
export const labLibvirtUp = async (ref: LibvirtRef, signal: AbortSignal): Promise<void> => {
  const at = openLibvirt(ref);
  if (runsLibvirt(at)) {
    throw new DomainError('exists', 'PROCESS_EXISTS', `${at.host.name} has a process ${LIBVIRTD}`);
  }
  await furnish(at, libvirtFiles(), signal);
  try {
    await processAdd(ref, libvirtProcess(), signal);
    await answers(at, signal);
  } catch (error) {
    if (at.store.processes().some(({ place, name }) => place === at.host.name && name === LIBVIRTD)) {
      await processStop({ ...ref, process: LIBVIRTD }, AbortSignal.timeout(30_000));
    }
    throw error;
  }
};

/** What it takes to work on the libvirt of a host. Throws `not_found`, `precondition` for a lab that is not up. */
export const openLibvirt = (ref: LibvirtRef): LibvirtHost => {
  const store = existingLab(parseLabName('lab', ref.lab));
  const lab = store.upLab();
  const host = store.host(parseLabHostName('host', ref.host));
  return { store, host, tools: new Tools({ [LAB_MARK]: lab.id }) };
};

/** Whether the host has a libvirtd that runs. */
export const runsLibvirt = ({ store, host }: LibvirtHost): boolean => {
  const record = store.processes().find(({ place, name }) => place === host.name && name === LIBVIRTD);
  return record?.identity !== undefined && isAlive(record.identity);
};

/** Runs virsh on a host; whatever its exit code. */
export const virsh = async (
  { store, host, tools }: LibvirtHost,
  args: readonly string[],
  signal: AbortSignal,
): Promise<RunResult> => {
  const [, ...enter] = enterPlace(store, { kind: 'host', host: host.name }, '/');
  return await tools.attempt('nsenter', [...enter, 'virsh', '--connect', 'qemu:///system', ...args], signal);
};

/** As `virsh`; rejects with `internal` and its words unless it exits with 0. */
export const mustVirsh = async (at: LibvirtHost, args: readonly string[], signal: AbortSignal): Promise<string> => {
  const { exitCode, stdout, stderr } = await virsh(at, args, signal);
  if (exitCode === 0) return stdout;
  throw new DomainError(
    'internal',
    'LAB_COMMAND_FAILED',
    `virsh ${args.join(' ')} on ${at.host.name} ended with ${exitCode.toString()}: ${stderr.trim()}`,
  );
};

/** A file or folder of a host's own, seen from this machine, that `labDown` takes along. */
export const ownRunPath = ({ store, host }: LibvirtHost, name: string): string =>
  `/proc/${holderOf(store, host.name).pid.toString()}/root${OWN_RUN}/${name}`;

/** The same as the host sees it. */
export const runPathInHost = (name: string): string => join(OWN_RUN, name);

const libvirtProcess = (): ProcessSpec => ({
  name: LIBVIRTD,
  argv: ['/usr/sbin/libvirtd'],
  env: { PATH: SYSTEM_PATH, LC_ALL: 'C' },
  ready: { unixSockets: [SOCKET], withinMs: 30_000 },
});

/** Shows a host the programs, and gives it folders of its own. What is mounted already stays so. */
const furnish = async (at: LibvirtHost, { overlays }: LibvirtFiles, signal: AbortSignal): Promise<void> => {
  const { store, host, tools } = at;
  const own = (folder: string): string => store.hostDir(host.name, join('libvirt', ...folder.split('/').slice(1)));
  for (const folder of LIBVIRT_DIRS) {
    mkdirSync(own(folder), { recursive: true, mode: 0o711 });
    makeMountPoint(folder);
  }
  mkdirSync(join(own(CONSOLE_DIR), 'qemu'), { recursive: true });
  writeFileSync(join(own('/etc/libvirt'), 'libvirtd.conf'), LIBVIRTD_CONF(randomUUID()));
  writeFileSync(join(own('/etc/libvirt'), 'qemu.conf'), QEMU_CONF);
  mkdirSync(ownRunPath(at, ''), { recursive: true });
  for (const [file, line] of Object.entries(ACCOUNTS))
    writeFileSync(own(file), `${readFileSync(file, 'utf8')}${line}\n`);
  const mounts = [
    ...(overlays.length === 0 ? [] : Object.keys(ACCOUNTS)).map(
      (file) => `${escaped(own(file))} ${file} none bind 0 0`,
    ),
    ...LIBVIRT_DIRS.map((folder) => `${escaped(own(folder))} ${folder} none bind 0 0`),
    // Each folder by itself: an overlay of /usr as a whole would hide what else is mounted below it.
    ...overlays.map(
      ({ lower, target }) => `weft-lab-${basename(target)} ${target} overlay lowerdir=${escaped(lower)}:${target} 0 0`,
    ),
  ];
  const table = 'libvirt.fstab';
  writeFileSync(ownRunPath(at, table), `${mounts.join('\n')}\n`);
  await runInHost(store, host, [toolPath('mount'), '--all', '--fstab', runPathInHost(table)], tools, signal);
};

/** libvirt looks for the account that it was built with before it reads that it shall use another. */
const ACCOUNTS: Readonly<Record<string, string>> = {
  '/etc/passwd': 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin',
  '/etc/group': 'libvirt-qemu:x:64055:',
};

/** As fstab(5) wants a space. */
const escaped = (path: string): string => path.replaceAll(' ', String.raw`\040`);

/** Without a bus there is no polkit to ask; and each host is another machine, though all have one firmware. */
const LIBVIRTD_CONF = (hostId: string): string => `unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "${hostId}"
`;

/** What a host of a lab has not: a security module, users of qemu's, control groups, virtlogd. */
const QEMU_CONF = `security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
`;

/** Its socket is there before its drivers are. Rejects when it gives up instead. */
const answers = async (at: LibvirtHost, signal: AbortSignal): Promise<void> => {
  const end = performance.now() + ANSWER_MS;
  for (let turn = 0; ; turn += 1) {
    const { exitCode } = await virsh(at, ['list'], signal);
    if (exitCode === 0) return;
    if (!runsLibvirt(at) || performance.now() > end) {
      throw processEnded(`${at.host.name}/${LIBVIRTD}`, at.store.process(at.host.name, LIBVIRTD).log);
    }
    await sleep(
      backoffMs(turn, { baseMs: 20, maxMs: 200 }, () => 1),
      signal,
    );
  }
};
