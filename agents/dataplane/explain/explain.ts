import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { HostFacts, ObjectNames } from './host-facts.ts';
import { HostMap } from './host-map.ts';
import type { Ledger } from './ledger.ts';
import { pictureOf, type HostPicture } from './picture.ts';
import { readHost, readProcess, type LookTools } from './read-host.ts';
import { objectOfMark, objectOfNamespace } from './marks.ts';
import type { ObjectRef, ThingKind } from './thing.ts';
import { thingsOf, type Thing } from './things.ts';

export interface ExplainTools extends LookTools {
  readonly ledger: Ledger;
  readonly facts: () => HostFacts;
  /** Never rejects: without the control plane there are no names. */
  readonly names: (objects: readonly ObjectRef[], signal: AbortSignal) => Promise<ObjectNames>;
}

/** Things, and who they are told of by. */
export interface Explained {
  readonly things: readonly Thing[];
  readonly names: ObjectNames;
  /** When the record begins. */
  readonly since: Date | undefined;
}

/** More than these of what is gone are not listed. */
const GONE = 50;

/** Tells of what is on the host, each time by a look at it. */
export class Explain {
  readonly #tools: ExplainTools;

  constructor(tools: ExplainTools) {
    this.#tools = tools;
  }

  /** What bears the name. Rejects with `not_found` for what is not there and of which there is no record. */
  async thing(kind: ThingKind, name: string, signal: AbortSignal): Promise<Explained> {
    if (name.trim() === '') throw invalidField('name', name, 'is empty');
    const map = await this.#map(signal);
    const all = thingsOf(map, this.#tools.ledger.all());
    const found = await this.#named(all, kind, name, signal);
    if (found.length === 0) {
      throw new DomainError(
        'not_found',
        'THING_NOT_FOUND',
        `host ${map.facts.hostId} has no ${kind} ${name}, and weft has made none`,
        { details: { host: map.facts.hostId, kind, name } },
      );
    }
    return { things: found, names: map.names, since: this.#tools.ledger.since };
  }

  /** What serves an object; with an empty kind, all that serves any, and what is foreign in a bridge with it. */
  async list(kind: string, id: string, signal: AbortSignal): Promise<Explained> {
    const map = await this.#map(signal);
    const all = thingsOf(map, this.#tools.ledger.all());
    const isWanted = (thing: Thing): boolean =>
      kind === ''
        ? thing.isOurs || thing.changes.length > 0
        : thing.related.some((each) => each.kind === kind && each.id === id);
    const wanted = all.filter(isWanted);
    const gone = wanted.filter(({ present }) => present === false).slice(-GONE);
    const things = [...wanted.filter(({ present }) => present !== false), ...gone].sort(inOrder);
    return { things, names: map.names, since: this.#tools.ledger.since };
  }

  async picture(
    signal: AbortSignal,
  ): Promise<HostPicture & { readonly facts: HostFacts; readonly names: ObjectNames; readonly time: Date }> {
    const map = await this.#map(signal);
    return { ...pictureOf(map), facts: map.facts, names: map.names, time: map.look.time };
  }

  async #map(signal: AbortSignal): Promise<HostMap> {
    const look = await readHost(this.#tools, signal);
    const facts = this.#tools.facts();
    const marked = [
      ...look.devices.map(({ alias }) => objectOfMark(alias)),
      ...look.namespaces.map(({ name }) => objectOfNamespace(name)),
      ...facts.networks.map(({ networkId }): ObjectRef => ({ kind: 'network', id: networkId })),
    ].filter((each) => each !== undefined);
    return new HostMap(look, facts, await this.#tools.names(marked, signal));
  }

  async #named(all: readonly Thing[], kind: ThingKind, name: string, signal: AbortSignal): Promise<readonly Thing[]> {
    const ofKind = all.filter((thing) => thing.kind === kind);
    const exact = ofKind.filter((thing) => thing.name === name);
    if (kind === 'process') return exact.length > 0 ? exact : await this.#process(ofKind, name, signal);
    if (kind === 'file') return await this.#file(exact, name, signal);
    if (exact.length > 0 || kind !== 'rule') return exact;
    const words = name.split(' ');
    return ofKind.filter((thing) => words.every((word) => [...thing.name.split(' '), thing.namespace].includes(word)));
  }

  async #process(all: readonly Thing[], name: string, signal: AbortSignal): Promise<readonly Thing[]> {
    if (!/^\d{1,9}$/.test(name)) return all.filter((thing) => thing.name.split(' ').includes(name));
    const ours = all.filter(({ description }) => description.endsWith(`process id is ${name}`));
    const process = ours.length > 0 ? undefined : await readProcess(this.#tools, Number(name), signal);
    return process === undefined ? ours : [foreign('process', name, process.argv.join(' '))];
  }

  async #file(recorded: readonly Thing[], path: string, signal: AbortSignal): Promise<readonly Thing[]> {
    if (!path.startsWith('/')) throw invalidField('name', path, 'is not the full path of a file');
    const present = (await this.#tools.files.read(path, signal).catch(() => undefined)) !== undefined;
    if (recorded.length > 0) return recorded.map((thing) => ({ ...thing, present }));
    return present ? [foreign('file', path, 'a file of which there is no record')] : [];
  }
}

const foreign = (kind: ThingKind, name: string, text: string): Thing => ({
  ...{ kind, name, namespace: '', isOurs: false, description: `not weft's: ${text}` },
  ...{ related: [], present: true, changes: [], count: 0 },
});

const KIND_ORDER: readonly ThingKind[] = ['namespace', 'device', 'process', 'rule', 'file'];

const inOrder = (a: Thing, b: Thing): number =>
  KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) ||
  (a.namespace === b.namespace ? (a.name < b.name ? -1 : 1) : a.namespace < b.namespace ? -1 : 1);
