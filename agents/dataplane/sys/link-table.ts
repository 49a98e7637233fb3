import type { LinkEvent } from '../model/host.ts';

// 5: tap1@if4: <BROADCAST,…> mtu 1500 … master brq… … group default …\    link/ether aa:… (`-o`: one line per link)
const LINK =
  /^(?<deleted>Deleted )?(?<index>\d+): (?<name>[^:@]+)(?:@[^:]*)?: <(?<flags>[^>]*)> mtu (?<mtu>\d+)(?<rest>.*)$/;
const MASTER = / master (?<master>\S+)/;
const ETHER = /link\/ether (?<mac>[0-9a-f:]{17})/;
// The bridge tells of its ports on the same channel, in messages that have no group: `Deleted` there means left the bridge.
const OF_THE_LINK = ' group ';

interface Known {
  readonly link: LinkEvent;
  /** All that makes an event worth telling. */
  readonly state: string;
}

/** The links of a namespace as `ip -o link show` and `ip -o monitor link` tell, and what changes among them. */
export class LinkTable {
  readonly #links = new Map<number, Known>();

  /** Takes up a line of the monitor; the events that follow from it, none for what changes nothing of interest. */
  take(line: string): readonly LinkEvent[] {
    const parsed = parseLine(line);
    if (parsed === undefined) return [];
    const { deleted, link, state } = parsed;
    const before = this.#links.get(link.index);
    if (deleted) {
      this.#links.delete(link.index);
      return before === undefined ? [] : [{ ...before.link, kind: 'gone' }];
    }
    if (before?.state === state) return [];
    this.#links.set(link.index, { link, state });
    const renamed = before !== undefined && before.link.name !== link.name;
    return renamed ? [{ ...before.link, kind: 'gone' }, link] : [link];
  }

  /** Takes up a complete list; tells of what is gone and of everything that is there. */
  replace(lines: readonly string[]): readonly LinkEvent[] {
    const now = new Map<number, Known>();
    for (const line of lines) {
      const parsed = parseLine(line);
      if (parsed !== undefined) now.set(parsed.link.index, parsed);
    }
    const gone = [...this.#links.values()].filter(({ link }) => now.get(link.index)?.link.name !== link.name);
    this.#links.clear();
    for (const [index, known] of now) this.#links.set(index, known);
    return [
      ...gone.map(({ link }): LinkEvent => ({ ...link, kind: 'gone' })),
      ...[...now.values()].map(({ link }) => link),
    ];
  }
}

const parseLine = (line: string): (Known & { readonly deleted: boolean }) | undefined => {
  const groups = LINK.exec(line)?.groups;
  if (groups === undefined || !line.includes(OF_THE_LINK)) return undefined;
  const { deleted, index, name = '', flags = '', mtu = '', rest = '' } = groups;
  const master = MASTER.exec(rest)?.groups?.['master'];
  const mac = ETHER.exec(rest)?.groups?.['mac'];
  const up = flags.split(',').includes('UP');
  const link: LinkEvent = {
    kind: 'present',
    name,
    index: Number(index),
    ...(master !== undefined && { master }),
    ...(mac !== undefined && { mac }),
  };
  return { deleted: deleted !== undefined, link, state: `${name} ${master ?? ''} ${mac ?? ''} ${String(up)} ${mtu}` };
};
