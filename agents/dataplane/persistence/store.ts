import { z } from 'zod';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { StateFiles } from '../model/state-files.ts';
import { parseOverlayName } from '../overlay/model/names.ts';
import type { OverlayName } from '../overlay/model/names.ts';
import { parseDevices } from './model/parse.ts';
import type { DeviceSetText } from './model/parse.ts';
import type { PersistenceFormat } from './writers/writer.ts';

/** What was asked for, as it is remembered. */
export interface PersistenceRecord {
  readonly name: OverlayName;
  readonly format: PersistenceFormat;
  /** It goes with the overlay of that name. */
  readonly isOverlay: boolean;
  /** Devices beside the overlay's, or without one. */
  readonly devices: DeviceSetText;
  /** It is being taken away. */
  readonly deleting: boolean;
}

const SUFFIX = '.persistence';
const VERSION = 1;

const text = z.string();
const whole = z.number().int();
const Stored = z.strictObject({
  version: z.literal(VERSION),
  name: text,
  format: z.enum(['networkmanager', 'ifcfg', 'networkd']),
  overlay: z.boolean(),
  devices: z.strictObject({
    bridges: z.array(z.strictObject({ name: text, addresses: z.array(text), mtu: whole })),
    vxlans: z.array(
      z.strictObject({
        ...{ name: text, vni: whole, local_address: text, remote_address: text },
        ...{ udp_port: whole, mtu: whole, bridge_name: text },
      }),
    ),
    veths: z.array(
      z.strictObject({ name: text, peer_name: text, mtu: whole, bridge_name: text, peer_bridge_name: text }),
    ),
    nics: z.array(z.strictObject({ name: text, mac_address: text, mtu: whole, bridge_name: text })),
  }),
  deleting: z.boolean(),
});

/** Keeps what was asked for, a file each, written before any other file is touched. */
export class PersistenceStore {
  readonly #files: StateFiles;
  readonly #log: Log;

  constructor(files: StateFiles, log: Log) {
    this.#files = files;
    this.#log = log;
  }

  /** All of it; a file that cannot be read is reported and left as it is. */
  async load(): Promise<readonly PersistenceRecord[]> {
    const records: PersistenceRecord[] = [];
    for (const file of await this.#files.list()) {
      if (!file.endsWith(SUFFIX)) continue;
      try {
        records.push(decode((await this.#files.read(file)) ?? ''));
      } catch (thrown) {
        this.#log.error({ file, error: toError(thrown).message }, 'persistence not readable');
      }
    }
    return records;
  }

  /** Resolves when it would survive a power cut. */
  async save(record: PersistenceRecord): Promise<void> {
    await this.#files.write(`${record.name}${SUFFIX}`, encode(record));
  }

  async remove(name: OverlayName): Promise<void> {
    await this.#files.remove(`${name}${SUFFIX}`);
  }
}

const encode = ({ name, format, isOverlay, devices, deleting }: PersistenceRecord): string =>
  `${JSON.stringify({ version: VERSION, name, format, overlay: isOverlay, devices, deleting })}\n`;

const decode = (line: string): PersistenceRecord => {
  const { name, format, overlay, devices, deleting } = Stored.parse(JSON.parse(line));
  // What is stored was right once; what is not now would be found when it is written, too late.
  parseDevices(devices, { ovsBridges: new Set() });
  return { name: parseOverlayName('name', name), format, isOverlay: overlay, devices, deleting };
};
