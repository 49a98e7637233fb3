import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DomainError } from '#platform/errors/domain-error.ts';
import { attempt } from './attempt.ts';
import { SYSTEM_PATH } from './tools.ts';

/** Where `infra/setup.sh docker` puts it: what is unpacked there is not installed, and starts nothing by itself. */
const UNPACKED = fileURLToPath(new URL('../../node_modules/.cache/weft/docker', import.meta.url));
const SYSTEM = join(UNPACKED, 'system');

/** The root of a file system with nothing but busybox, for `docker import`. */
export const BUSYBOX = join(UNPACKED, 'busybox.tar');

/** Docker's programs, and what they need to find each other and their libraries. */
export interface DockerPrograms {
  readonly containerd: string;
  readonly dockerd: string;
  readonly docker: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The machine's own docker, or what was unpacked. Throws `precondition` with the command that brings it. */
export const dockerPrograms = (): DockerPrograms => {
  const own = `${SYSTEM}/usr/sbin:${SYSTEM}/usr/bin`;
  const path = find('dockerd', SYSTEM_PATH) === undefined ? `${own}:${SYSTEM_PATH}` : SYSTEM_PATH;
  const [containerd, dockerd, docker] = ['containerd', 'dockerd', 'docker'].map((name) => find(name, path));
  if (containerd === undefined || dockerd === undefined || docker === undefined || find(BUSYBOX, '') === undefined) {
    throw new DomainError('precondition', 'DOCKER_MISSING', 'there is no docker for the lab: infra/setup.sh docker');
  }
  return {
    containerd,
    dockerd,
    docker,
    env: { PATH: path, LC_ALL: 'C', ...(path === SYSTEM_PATH ? {} : libraries()) },
  };
};

const libraries = (): Readonly<Record<string, string>> => {
  const folders = ['lib', 'usr/lib'].flatMap((root) =>
    attempt(() => readdirSync(join(SYSTEM, root)), [])
      .filter((name) => name.includes('-linux-gnu'))
      .map((name) => join(SYSTEM, root, name)),
  );
  // An iptables of the system has its extensions where it looks for them, and they must be of its version.
  const isUnpacked = find('iptables', `${SYSTEM}/usr/sbin`) !== undefined;
  const extensions = folders.map((folder) => join(folder, 'xtables'));
  return { LD_LIBRARY_PATH: folders.join(':'), ...(isUnpacked && { XTABLES_LIBDIR: extensions.join(':') }) };
};

const find = (name: string, path: string): string | undefined =>
  path
    .split(':')
    .map((folder) => join(folder, name))
    .find((file) =>
      attempt(() => {
        accessSync(file, constants.R_OK);
        return true;
      }, false),
    );
