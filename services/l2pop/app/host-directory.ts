import type { HostId } from '#platform/net/names.ts';
import type { Host } from '../domain/entry.ts';

/**
 * The hosts as this replica has last heard of them, so that a port's event can be placed without a question. It may be
 * behind; what depends on it carries the host's revision, and the newest wins.
 */
export class HostDirectory {
  readonly #hosts = new Map<HostId, Host>();

  get(id: HostId): Host | undefined {
    return this.#hosts.get(id);
  }

  /** Notes a host unless a newer word of it is known; returns the newest word. */
  learn(host: Host): Host {
    const known = this.#hosts.get(host.id);
    if (known !== undefined && known.revision >= host.revision) return known;
    this.#hosts.set(host.id, host);
    return host;
  }

  /** Forgets a host that was deleted in that revision. */
  forget(id: HostId, revision: number): void {
    const known = this.#hosts.get(id);
    if (known !== undefined && known.revision <= revision) this.#hosts.delete(id);
  }
}
