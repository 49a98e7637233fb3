import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { toError } from '#platform/errors/domain-error.ts';
import { dockerPrograms } from '../../cli/lab/docker-files.ts';
import { libvirtFiles } from '../../cli/lab/libvirt-files.ts';
import { preflight } from '../../cli/lab/index.ts';
import { runProgram } from '../../cli/lab/run.ts';
import type { Need } from './page.ts';

const SETUP = path.join(import.meta.dirname, '../../infra/setup.sh');
/** Docker comes over the network. */
const SETUP_MS = 300_000;

/** What this machine lacks of what a guide needs, as a sentence that says how it is mended; undefined when it has it all. */
export const lacking = async (needs: readonly Need[], signal: AbortSignal): Promise<string | undefined> => {
  for (const need of needs) {
    const reason = await CHECKS[need](signal);
    if (reason !== undefined) return `it needs ${need}: ${reason}`;
  }
  return undefined;
};

type Check = (signal: AbortSignal) => Promise<string | undefined>;

const CHECKS: Readonly<Record<Need, Check>> = {
  root: async () => Promise.resolve(process.getuid?.() === 0 ? undefined : 'run it with sudo'),
  lab: async (signal) => {
    const { checks } = await preflight(signal);
    const amiss = checks.filter(({ ok }) => !ok).map(({ what, found, mend }) => `${what}: ${found}; ${mend}`);
    return amiss.length === 0 ? undefined : amiss.join('; ');
  },
  openvswitch: async () => {
    const missing: string[] = [];
    for (const tool of ['ovs-vsctl', 'ovs-ofctl', 'ovs-vswitchd', 'ovsdb-server'])
      if (!(await isInstalled(tool))) missing.push(tool);
    return missing.length === 0 ? undefined : `there is no ${missing.join(', ')}: apt-get install openvswitch-switch`;
  },
  docker: async (signal) => await unpacked('docker', dockerPrograms, signal),
  libvirt: async (signal) => await unpacked('libvirt', libvirtFiles, signal),
};

/** What a lab is given by packages that are unpacked and not installed. */
const unpacked = async (
  what: 'docker' | 'libvirt',
  look: () => unknown,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { exitCode, stderr } = await runProgram([SETUP, what], { deadlineMs: SETUP_MS }, signal);
  if (exitCode !== 0) return stderr.trim().split('\n').at(-1) ?? `infra/setup.sh ${what} ended with ${exitCode}`;
  try {
    look();
    return undefined;
  } catch (thrown) {
    return toError(thrown).message;
  }
};

const isInstalled = async (program: string): Promise<boolean> => {
  for (const folder of ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    try {
      await access(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not there: the next folder.
    }
  }
  return false;
};
