import { mkdirSync, readdirSync, watch } from 'node:fs';

/** Where iproute2 keeps the names of network namespaces. */
const FOLDER = '/run/netns';

/** The names of `ip netns`, and word of each that comes or goes. */
export interface NamespaceWatch {
  /** All names now. */
  list(): readonly string[];
  /** Calls `changed` with each name that came or went, until disposed; once without one when some were missed. */
  watch(changed: (name: string | undefined) => void): Disposable;
}

/** The names of this process' own mount namespace. */
export const ownNamespaces: NamespaceWatch = {
  list: () => {
    try {
      return readdirSync(FOLDER);
    } catch {
      return [];
    }
  },
  watch: (changed) => {
    // The first `ip netns add` mounts the folder on itself, which is the same folder still.
    mkdirSync(FOLDER, { recursive: true, mode: 0o755 });
    const watcher = watch(FOLDER, (_, name) => {
      changed(name ?? undefined);
    });
    watcher.on('error', () => {
      changed(undefined);
    });
    return {
      [Symbol.dispose]: () => {
        watcher.close();
      },
    };
  },
};
