import { z } from 'zod';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import { parseDeviceName, parseUuid } from '#platform/net/names.ts';
import type { StateFiles } from '../model/state-files.ts';
import { parseLibvirtName } from './spec.ts';
import type { LibvirtName, LibvirtSpec } from './spec.ts';

const SUFFIX = '.libvirt-network';
const Stored = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  network_id: z.string().optional(),
  bridge: z.string().optional(),
  autostart: z.boolean(),
});

/** Keeps each libvirt network in a file of its own, beside the definition that libvirt is given. */
export class LibvirtStore {
  readonly #files: StateFiles;
  readonly #directory: string;
  readonly #log: Log;

  /** `directory` is where `files` are. */
  constructor(files: StateFiles, directory: string, log: Log) {
    this.#files = files;
    this.#directory = directory;
    this.#log = log;
  }

  /** All as they were last written; a file that cannot be read is reported and left as it is, never guessed. */
  async load(): Promise<readonly LibvirtSpec[]> {
    const specs: LibvirtSpec[] = [];
    for (const file of await this.#files.list()) {
      if (!file.endsWith(SUFFIX)) continue;
      try {
        specs.push(decode((await this.#files.read(file)) ?? ''));
      } catch (thrown) {
        this.#log.error({ file, error: toError(thrown).message }, 'libvirt network not readable');
      }
    }
    return specs;
  }

  async save(spec: LibvirtSpec): Promise<void> {
    const { name, target, autostart } = spec;
    const wanted = 'networkId' in target ? { network_id: target.networkId } : { bridge: target.bridge };
    await this.#files.write(`${name}${SUFFIX}`, `${JSON.stringify({ version: 1, name, ...wanted, autostart })}\n`);
  }

  async remove(name: LibvirtName): Promise<void> {
    await this.#files.remove(`${name}${SUFFIX}`);
    await this.#files.remove(definitionFile(name));
  }

  /** Writes what `virsh net-define` reads. */
  async define(name: LibvirtName, xml: string): Promise<void> {
    await this.#files.write(definitionFile(name), `${xml}\n`);
  }

  /** Where that is. */
  definitionPath(name: LibvirtName): string {
    return `${this.#directory}/${definitionFile(name)}`;
  }
}

const definitionFile = (name: LibvirtName): string => `${name}.libvirt.xml`;

const decode = (line: string): LibvirtSpec => {
  const { name, network_id, bridge, autostart } = Stored.parse(JSON.parse(line));
  return {
    name: parseLibvirtName('name', name),
    target:
      network_id === undefined
        ? { bridge: parseDeviceName('bridge', bridge ?? '') }
        : { networkId: parseUuid('network_id', network_id) },
    autostart,
  };
};
