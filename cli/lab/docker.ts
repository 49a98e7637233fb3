import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { ADDRESS_BITS, ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { processEnded } from './daemon.ts';
import { BUSYBOX, dockerPrograms } from './docker-files.ts';
import { containerdProcess, DOCKER_SOCKET, DOCKERD, dockerdProcess, furnishDocker, hasOverlay } from './docker-host.ts';
import type { DockerHost, DockerSettings } from './docker-host.ts';
import { runInHost } from './in-host.ts';
import { LAB_MARK, parseLabHostName, parseLabName } from './names.ts';
import { enterPlace } from './place.ts';
import { isAlive } from './proc.ts';
import { processAdd, processStart, processStop } from './processes.ts';
import type { ProcessRecord } from './record.ts';
import { Tools } from './run.ts';
import { existingLab } from './store.ts';

/** The image that `labDockerImage` makes: busybox and nothing else, with `nc`, `ping`, `ip`. */
export const LAB_IMAGE = 'weft/busybox:1';

/** A host of a lab with docker. */
export interface DockerRef {
  readonly lab: string;
  readonly host: string;
}

export interface DockerOptions extends DockerRef {
  /** The address of `docker0` with its prefix length, e.g. `10.1.0.1/16`; containers get theirs from that subnet. */
  readonly bip: string;
  /** Of containers' devices, and of `docker0` once it has had one; docker's own 1500 when left out. */
  readonly mtu?: number;
  /** More arguments of dockerd; it refuses those that contradict its settings. */
  readonly extra?: readonly string[];
}

/**
 * Starts docker on a host, with state, containers and `docker0` of the host's own, as the lab's processes `containerd` and
 * `dockerd`, and resolves once it answers. From then on the host has `docker` in /usr/local/bin, and in /etc/docker settings
 * of its own, with `bip` and `mtu`. `labDown` takes all of it away. Rejects with `exists` when the host has one running,
 * `invalid` for bad options, `precondition` where docker is missing, `unavailable` with the end of a log when it gives up;
 * nothing more runs then than before.
 */
export const labDockerUp = async (options: DockerOptions, signal: AbortSignal): Promise<void> => {
  const at = open(options);
  const settings = daemonSettings(options);
  // It keeps the settings it has.
  if (runs(at, DOCKERD)) throw new DomainError('exists', 'PROCESS_EXISTS', `${at.host.name} has a process ${DOCKERD}`);
  await furnishDocker(at, settings, signal);
  const dockerd = dockerdProcess(at, (await hasOverlay(at, signal)) ? 'overlay2' : 'vfs', options.extra ?? []);
  const containerd = containerdProcess(at);
  try {
    if (!runs(at, containerd.name)) await processAdd(options, containerd, signal);
    await processAdd(options, dockerd, signal);
    await answers(at, signal);
  } catch (error) {
    const clearing = AbortSignal.timeout(30_000);
    for (const { name } of [dockerd, containerd]) {
      if (recordOf(at, name) !== undefined) await processStop({ ...options, process: name }, clearing);
    }
    throw error;
  }
};

/**
 * Stops dockerd, and with it the containers, and starts it as it was first started; containerd goes on. Rejects as
 * `labDockerUp`, with `not_found` for a host without one.
 */
export const labDockerRestart = async (ref: DockerRef, signal: AbortSignal): Promise<void> => {
  const at = open(ref);
  const process = { lab: ref.lab, host: ref.host, process: DOCKERD };
  await processStop(process, signal);
  await processStart(process, signal);
  await answers(at, signal);
};

/** Makes the image `LAB_IMAGE` on a host whose dockerd runs, of what `infra/setup.sh docker` brought. */
export const labDockerImage = async (ref: DockerRef, signal: AbortSignal): Promise<void> => {
  const { store, host, docker, tools } = open(ref);
  const argv = [docker.docker, '--host', `unix://${DOCKER_SOCKET}`, 'import'];
  await runInHost(store, host, [...argv, '--change', 'CMD ["/bin/sh"]', BUSYBOX, LAB_IMAGE], tools, signal);
};

const open = (ref: DockerRef): DockerHost => {
  const store = existingLab(parseLabName('lab', ref.lab));
  const lab = store.upLab();
  const host = store.host(parseLabHostName('host', ref.host));
  const tools = new Tools({ [LAB_MARK]: lab.id });
  return { store, host, docker: dockerPrograms(), tools, folder: store.hostDir(host.name, 'docker') };
};

const daemonSettings = ({ bip, mtu }: DockerOptions): DockerSettings => ({
  bip: parseBip(bip),
  ...(mtu === undefined ? {} : { mtu: parseMtu('mtu', mtu) }),
  // A program that is the first of its container is deaf to SIGTERM unless it says otherwise, and docker then waits for 10 s.
  init: true,
});

const parseBip = (text: string): string => {
  const [address = '', prefix = ''] = text.split('/');
  const ip = parseUnicastIp('bip', address);
  if (ipVersion(ip) !== 4 || !/^\d{1,2}$/.test(prefix) || Number(prefix) < 1 || Number(prefix) > ADDRESS_BITS[4]) {
    throw invalidField('bip', text, 'is not an IPv4 address with its prefix length, such as 10.1.0.1/16');
  }
  return `${ip}/${prefix}`;
};

const recordOf = ({ store, host }: DockerHost, process: string): ProcessRecord | undefined =>
  store.processes().find(({ place, name }) => place === host.name && name === process);

const runs = (at: DockerHost, process: string): boolean => {
  const identity = recordOf(at, process)?.identity;
  return identity !== undefined && isAlive(identity);
};

/** Its socket is there long before it answers: only a question tells. Rejects when it gives up instead. */
const answers = async ({ store, host, docker, tools }: DockerHost, signal: AbortSignal): Promise<void> => {
  const [, ...enter] = enterPlace(store, { kind: 'host', host: host.name }, '/');
  const question = [docker.docker, '--host', `unix://${DOCKER_SOCKET}`, 'version'];
  const { exitCode } = await tools.attempt('nsenter', [...enter, ...question], signal);
  if (exitCode !== 0) throw processEnded(`${host.name}/${DOCKERD}`, store.process(host.name, DOCKERD).log);
};
