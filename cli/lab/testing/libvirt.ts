import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../../..');
/** It comes over the network. */
const SETUP_MS = 300_000;

/** Brings libvirt and qemu for labs; the reason why there are none on this machine, undefined when there are. */
export const lacksLibvirt = async (): Promise<string | undefined> => {
  try {
    await promisify(execFile)(join(ROOT, 'infra/setup.sh'), ['libvirt'], { timeout: SETUP_MS });
    return undefined;
  } catch (thrown) {
    const said = thrown instanceof Error && 'stderr' in thrown ? String(thrown.stderr).trim() : String(thrown);
    return `no libvirt: ${said.split('\n').at(-1) ?? said}`;
  }
};
