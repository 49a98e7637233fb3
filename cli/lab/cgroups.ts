import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { attempt } from './attempt.ts';
import type { LabName } from './names.ts';

/** Where a machine has its control groups, cgroups(7): version 2 alone there, or a hierarchy of version 1 for each controller below. */
const CGROUPS = '/sys/fs/cgroup';

interface Hierarchy {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  /** Of version 1: its controllers, or its name. */
  readonly options: readonly string[];
}

/** The group, in every hierarchy, of a lab's containers. Groups belong to the machine, unlike all else that a host has. */
export const cgroupOf = (lab: LabName): string => `/weft-lab-${lab}`;

/** Lines of fstab(5) that give a host, whose /sys is its own, the machine's hierarchies. */
export const cgroupMounts = (): readonly string[] => {
  const hierarchies = machineHierarchies();
  if (hierarchies.some(({ version, mountPoint }) => version === 2 && mountPoint === CGROUPS)) {
    return [`cgroup2 ${CGROUPS} cgroup2 defaults 0 0`];
  }
  return [
    `weft-lab ${CGROUPS} tmpfs mode=755 0 0`,
    ...hierarchies
      .filter(({ version }) => version === 1)
      .map(({ mountPoint, options }) => {
        const target = join(CGROUPS, basename(mountPoint));
        return `cgroup ${target} cgroup ${options.join(',')},X-mount.mkdir 0 0`;
      }),
  ];
};

/** The processes in a lab's group. */
export const processesInCgroup = (lab: LabName): ReadonlySet<number> =>
  new Set(
    groupsOf(lab).flatMap((group) =>
      attempt(() => readFileSync(join(group, 'cgroup.procs'), 'utf8'), '')
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
    ),
  );

/** Takes away a lab's group, in which nothing runs any more, and those below; tells whether all are gone. */
export const removeCgroup = (lab: LabName): boolean => {
  for (const group of groupsOf(lab)) {
    attempt(() => {
      rmdirSync(group);
    }, undefined);
  }
  return groupsOf(lab).length === 0;
};

/** Its groups in all hierarchies, each after those below it. */
const groupsOf = (lab: LabName): readonly string[] =>
  machineHierarchies().flatMap(({ mountPoint }) => below(join(mountPoint, cgroupOf(lab))));

const below = (group: string): readonly string[] => {
  const entries = attempt(() => readdirSync(group, { withFileTypes: true }), undefined);
  if (entries === undefined) return [];
  return [...entries.flatMap((entry) => (entry.isDirectory() ? below(join(group, entry.name)) : [])), group];
};

/** Of proc_pid_mountinfo(5), what is mounted where Linux programs look for it. */
const machineHierarchies = (): readonly Hierarchy[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line): readonly Hierarchy[] => {
      const [place = '', what = ''] = line.split(' - ');
      const mountPoint = place.split(' ')[4] ?? '';
      const [type, , options = ''] = what.split(' ');
      if (mountPoint !== CGROUPS && !mountPoint.startsWith(`${CGROUPS}/`)) return [];
      if (type === 'cgroup2') return [{ version: 2, mountPoint, options: [] }];
      return type === 'cgroup' ? [{ version: 1, mountPoint, options: selecting(options.split(',')) }] : [];
    });

// What is left when the flags are taken out says which hierarchy it is; one without controllers goes by its name.
const selecting = (options: readonly string[]): readonly string[] => {
  const name = options.filter((option) => option.startsWith('name='));
  if (name.length > 0) return ['none', ...name];
  return options.filter((option) => !FLAGS.has(option) && !option.includes('='));
};

const FLAGS: ReadonlySet<string> = new Set(['rw', 'ro', 'xattr', 'noprefix', 'clone_children', 'cpuset_v2_mode']);
