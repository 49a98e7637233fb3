import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupMounts, cgroupOf } from './cgroups.ts';
import type { DockerPrograms } from './docker-files.ts';
import { runInHost } from './in-host.ts';
import { parseProcessName } from './names.ts';
import { enterPlace, holderOf } from './place.ts';
import type { ProcessSpec } from './processes.ts';
import type { LabHost } from './record.ts';
import type { Tools } from './run.ts';
import { DOCKER_SETTINGS_DIR, makeMountPoint } from './shared-folders.ts';
import type { LabStore } from './store.ts';
import { toolPath } from './tools.ts';

/** What it takes to work on the docker of a host. */
export interface DockerHost {
  readonly store: LabStore;
  readonly host: LabHost;
  readonly docker: DockerPrograms;
  readonly tools: Tools;
  /** The folder of the host's own for all that docker keeps. */
  readonly folder: string;
}

/** What stands in daemon.json. */
export type DockerSettings = Readonly<Record<string, string | number | boolean>>;

/** The name of the process. */
export const DOCKERD = parseProcessName('process', 'dockerd');

/** As a host sees them, whose /run is its own. */
export const DOCKER_SOCKET = '/run/docker.sock';
const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';
const OWN_RUN = '/run/lab';

/**
 * Gives a host what docker wants beside a folder of its own: settings, control groups, and the client among the programs. What is
 * mounted already stays so.
 */
export const furnishDocker = async (at: DockerHost, settings: DockerSettings, signal: AbortSignal): Promise<void> => {
  const { store, host, docker, tools, folder } = at;
  const etc = join(folder, 'etc');
  mkdirSync(etc, { recursive: true, mode: 0o711 });
  writeFileSync(join(etc, 'daemon.json'), `${JSON.stringify(settings, undefined, 2)}\n`);
  writeFileSync(containerdSettings(folder), containerdToml(folder));
  makeMountPoint(DOCKER_SETTINGS_DIR);
  const run = `/proc/${holderOf(store, host.name).pid.toString()}/root${OWN_RUN}`;
  mkdirSync(join(run, 'bin'), { recursive: true });
  rmSync(join(run, 'bin/docker'), { force: true });
  symlinkSync(docker.docker, join(run, 'bin/docker'));
  const mounts = [
    ...cgroupMounts(),
    // As fstab(5) wants a space.
    `${etc.replaceAll(' ', String.raw`\040`)} ${DOCKER_SETTINGS_DIR} none bind 0 0`,
    // Shows one program more on that host; nothing is hidden, and nothing can be written to this machine's folder.
    `weft-lab /usr/local/bin overlay lowerdir=${OWN_RUN}/bin:/usr/local/bin 0 0`,
  ];
  writeFileSync(join(run, 'fstab'), `${mounts.join('\n')}\n`);
  await runInHost(store, host, [toolPath('mount'), '--all', '--fstab', `${OWN_RUN}/fstab`], tools, signal);
};

/** Whether the file system of the host's folder can be the upper layer of an overlay, found out by a mount that nobody else sees. */
export const hasOverlay = async ({ store, host, tools, folder }: DockerHost, signal: AbortSignal): Promise<boolean> => {
  const layer = (name: string): string => join(folder, 'overlay', name);
  for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(layer(name), { recursive: true });
  const layers = `lowerdir=${layer('lower')},upperdir=${layer('upper')},workdir=${layer('work')}`;
  const mount = [toolPath('mount'), '-t', 'overlay', '-o', layers, 'overlay', layer('merged')];
  const [, ...enter] = enterPlace(store, { kind: 'host', host: host.name }, '/');
  const result = await tools.attempt('nsenter', [...enter, toolPath('unshare'), '--mount', '--', ...mount], signal);
  return result.exitCode === 0;
};

/**
 * How a host's containerd runs: beside dockerd, as Debian has it. As its child it would die with it, and a dockerd that is
 * started again would wait for it in vain where nobody collects what has ended.
 */
export const containerdProcess = ({ docker, folder }: DockerHost): ProcessSpec => ({
  name: 'containerd',
  argv: [docker.containerd, '--config', containerdSettings(folder)],
  env: docker.env,
  ready: { unixSockets: [CONTAINERD_SOCKET] },
});

const containerdSettings = (folder: string): string => join(folder, 'containerd.toml');

const containerdToml = (folder: string): string => `version = 2
root = ${JSON.stringify(join(folder, 'containerd'))}
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = ${JSON.stringify(join(folder, 'opt'))}
`;

/** How a host's dockerd runs. Its socket is there long before it answers. */
export const dockerdProcess = (
  { store, docker, folder }: DockerHost,
  storageDriver: 'overlay2' | 'vfs',
  extra: readonly string[],
): ProcessSpec => ({
  name: DOCKERD,
  argv: [
    docker.dockerd,
    ...['--data-root', join(folder, 'data'), '--exec-root', '/run/docker', '--host', `unix://${DOCKER_SOCKET}`],
    ...['--containerd', CONTAINERD_SOCKET, '--storage-driver', storageDriver],
    // A pid from before a kill -9 may be another's now. That a host has one dockerd alone is the lab's care.
    ...['--pidfile', ''],
    ...['--exec-opt', 'native.cgroupdriver=cgroupfs', '--cgroup-parent', cgroupOf(store.name)],
    '--userland-proxy=false',
    ...extra,
  ],
  env: docker.env,
  ready: { unixSockets: [DOCKER_SOCKET], withinMs: 30_000 },
});
