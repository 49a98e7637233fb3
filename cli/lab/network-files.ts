import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInHost } from './in-host.ts';
import type { LabHost } from './record.ts';
import type { Tools } from './run.ts';
import { makeMountPoint, NETWORK_FILES } from './shared-folders.ts';
import type { LabStore } from './store.ts';
import { toolPath } from './tools.ts';

/**
 * Gives a host network configuration of its own, empty at first: what its agent writes to survive a reboot must not reach this
 * machine, nor another host.
 */
export const furnishNetworkFiles = async (
  store: LabStore,
  host: LabHost,
  tools: Tools,
  signal: AbortSignal,
): Promise<void> => {
  const mounts = NETWORK_FILES.map((folder) => {
    const own = store.hostDir(host.name, `network${folder}`);
    mkdirSync(own, { recursive: true, mode: 0o755 });
    makeMountPoint(folder);
    // As fstab(5) wants a space.
    return `${own.replaceAll(' ', String.raw`\040`)} ${folder} none bind 0 0\n`;
  });
  const table = join(store.hostDir(host.name, 'network'), 'fstab');
  writeFileSync(table, mounts.join(''));
  await runInHost(store, host, [toolPath('mount'), '--all', '--fstab', table], tools, signal);
};
