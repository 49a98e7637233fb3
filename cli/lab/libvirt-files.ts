import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DomainError } from '#platform/errors/domain-error.ts';
import { attempt } from './attempt.ts';
import { SYSTEM_PATH } from './tools.ts';

/** Where `infra/setup.sh libvirt` puts it: what is unpacked there is not installed, and starts nothing by itself. */
const UNPACKED = fileURLToPath(new URL('../../node_modules/.cache/weft/libvirt', import.meta.url));
const SYSTEM = join(UNPACKED, 'system/usr');

/** What of libvirt and qemu a host has to be given, and what its guests boot from. */
export interface LibvirtFiles {
  /** Folders to be shown over those of this machine below /usr; none where it has libvirt itself. */
  readonly overlays: readonly { readonly lower: string; readonly target: string }[];
  readonly kernel: string;
  readonly initrd: string;
}

/** The machine's own libvirt, or what was unpacked. Throws `precondition` with the command that brings it. */
export const libvirtFiles = (): LibvirtFiles => {
  const isInstalled = ['libvirtd', 'virsh', 'qemu-system-x86_64'].every((name) =>
    SYSTEM_PATH.split(':').some((folder) => existsSync(join(folder, name))),
  );
  const guest = { kernel: join(UNPACKED, 'guest/vmlinuz'), initrd: join(UNPACKED, 'guest/initrd.gz') };
  const folders = isInstalled ? [] : attempt(() => readdirSync(SYSTEM), []);
  if ((!isInstalled && !folders.includes('sbin')) || !existsSync(guest.kernel) || !existsSync(guest.initrd)) {
    throw new DomainError('precondition', 'LIBVIRT_MISSING', 'there is no libvirt for the lab: infra/setup.sh libvirt');
  }
  const overlays = folders.map((name) => ({ lower: join(SYSTEM, name), target: `/usr/${name}` }));
  return { overlays: overlays.filter(({ target }) => existsSync(target)), ...guest };
};
