import { DhcpServer, RouterInstance } from '#proto/weft/topology/v1/duty.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { StateFiles } from '../model/state-files.ts';

/** What is kept of a duty: the message that told it. */
export type KeptDuty =
  | { readonly kind: 'dhcp'; readonly id: string; readonly message: DhcpServer }
  | { readonly kind: 'router'; readonly id: string; readonly message: RouterInstance };

const FILE = /^(?<kind>dhcp|router)-(?<id>[0-9a-f-]{36})\.duty$/;

/**
 * Keeps DHCP and routers of this host in a file each, so that it serves them after a reboot without the control plane.
 * Writes follow what is served, they do not hold it up.
 */
export class DutyStore {
  readonly #files: StateFiles;
  readonly #log: Log;
  /** What each file holds. */
  readonly #held = new Map<string, string>();
  #writing: Promise<void> = Promise.resolve();

  constructor(files: StateFiles, log: Log) {
    this.#files = files;
    this.#log = log;
  }

  /** All of them; a file that cannot be read is reported and left as it is. */
  async load(): Promise<readonly KeptDuty[]> {
    const kept: KeptDuty[] = [];
    for (const file of await this.#files.list()) {
      const { kind, id = '' } = FILE.exec(file)?.groups ?? {};
      if (kind === undefined) continue;
      try {
        const text = (await this.#files.read(file)) ?? '';
        const parsed: unknown = JSON.parse(text);
        if (kind === 'dhcp') kept.push({ kind, id, message: DhcpServer.fromJSON(parsed) });
        else kept.push({ kind: 'router', id, message: RouterInstance.fromJSON(parsed) });
        this.#held.set(file, text);
      } catch (thrown) {
        this.#log.error({ file, error: toError(thrown).message }, 'duty not readable');
      }
    }
    return kept;
  }

  /** Keeps it in place of what was kept under its id. */
  keep(duty: KeptDuty): void {
    const message = duty.kind === 'dhcp' ? DhcpServer.toJSON(duty.message) : RouterInstance.toJSON(duty.message);
    const text = `${JSON.stringify(message)}\n`;
    const file = nameOf(duty);
    if (this.#held.get(file) === text) return;
    this.#held.set(file, text);
    this.#then(async () => this.#files.write(file, text));
  }

  forget(duty: Pick<KeptDuty, 'kind' | 'id'>): void {
    const file = nameOf(duty);
    if (this.#held.delete(file)) this.#then(async () => this.#files.remove(file));
  }

  /** Resolves when all that was told is on disk. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  #then(step: () => Promise<void>): void {
    this.#writing = this.#writing.then(step).catch((thrown: unknown) => {
      this.#log.error({ error: toError(thrown).message }, 'duty not kept');
    });
  }
}

const nameOf = ({ kind, id }: Pick<KeptDuty, 'kind' | 'id'>): string => `${kind}-${id}.duty`;
