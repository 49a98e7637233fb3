import { z } from 'zod';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { StateFiles } from '../model/state-files.ts';
import { parseInterfaceAddress } from './model/interface-address.ts';
import { overlayText, parseOverlay } from './model/parse.ts';
import type { ObservedHost } from './model/observed.ts';
import type { OverlayRecord } from './model/spec.ts';
import { nameDevices } from './plan/naming.ts';

const SUFFIX = '.overlay';
const VERSION = 1;

const text = z.string();
const whole = z.number().int();
const Stored = z.strictObject({
  version: z.literal(VERSION),
  overlay: z.strictObject({
    ...{ name: text, bridge_name: text, addresses: z.array(text), local_address: text },
    ...{ vni: whole, udp_port: whole, mtu: whole },
    peers: z.array(z.strictObject({ device_name: text, remote_address: text })),
    links: z.array(
      z.strictObject({ bridge_name: text, device_name: text, peer_device_name: text, subnets: z.array(text) }),
    ),
  }),
  retired: z.array(text),
  last_mtu: whole.optional(),
  deleting: z.boolean(),
});

/** Keeps each overlay in a file of its own, written before the host is touched, so that whatever dies half way is gone on with. */
export class OverlayStore {
  readonly #files: StateFiles;
  readonly #log: Log;

  constructor(files: StateFiles, log: Log) {
    this.#files = files;
    this.#log = log;
  }

  /** All overlays as they were last written; a file that cannot be read is reported and left as it is, never guessed. */
  async load(): Promise<readonly OverlayRecord[]> {
    const records: OverlayRecord[] = [];
    for (const file of await this.#files.list()) {
      if (!file.endsWith(SUFFIX)) continue;
      try {
        records.push(decode((await this.#files.read(file)) ?? ''));
      } catch (thrown) {
        this.#log.error({ file, error: toError(thrown).message }, 'overlay not readable');
      }
    }
    return records;
  }

  /** Resolves when it would survive a power cut. */
  async save(record: OverlayRecord): Promise<void> {
    await this.#files.write(fileOf(record), `${encode(record)}\n`);
  }

  async remove(record: OverlayRecord): Promise<void> {
    await this.#files.remove(fileOf(record));
  }
}

/** The file that an overlay of that name is kept in. */
export const overlayFile = (name: string): string => `${name}${SUFFIX}`;

const fileOf = ({ spec }: OverlayRecord): string => overlayFile(spec.name);

const encode = ({ spec, retired, lastMtu, deleting }: OverlayRecord): string =>
  JSON.stringify({
    version: VERSION,
    overlay: overlayText(spec),
    retired: retired.map((each) => each.text),
    ...(lastMtu !== undefined && { last_mtu: lastMtu }),
    deleting,
  });

const decode = (line: string): OverlayRecord => {
  const stored = Stored.parse(JSON.parse(line));
  return {
    // What was stored has its names, so no host needs to be looked at for them.
    spec: nameDevices(parseOverlay(stored.overlay), undefined, NO_HOST, new Set()),
    retired: stored.retired.map((each) => parseInterfaceAddress('retired', each)),
    deleting: stored.deleting,
    ...(stored.last_mtu !== undefined && { lastMtu: stored.last_mtu }),
  };
};

const NO_HOST: ObservedHost = {
  ...{ links: new Map(), bridges: new Map(), ports: new Map(), routes: new Map(), txChecksum: new Map() },
  datapathTypes: [],
};
