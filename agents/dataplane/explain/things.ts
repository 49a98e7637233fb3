import {
  describeDevice,
  describeProcess,
  describeSwitchBridge,
  describeSwitchPort,
  type Description,
} from './describe.ts';
import { phraseOf } from './host-facts.ts';
import type { HostMap } from './host-map.ts';
import type { Entry } from './ledger.ts';
import { objectOfNamespace } from './marks.ts';
import { flowsOf, processName } from './subjects.ts';
import { keyOf, type Change, type ObjectRef, type ThingRef } from './thing.ts';

/** Something on a host, with all that is known of it. */
export interface Thing extends ThingRef {
  readonly isOurs: boolean;
  readonly description: string;
  readonly object?: ObjectRef | undefined;
  /** All objects that it has to do with. */
  readonly related: readonly ObjectRef[];
  /** Undefined where that cannot be seen. */
  readonly present?: boolean | undefined;
  /** Newest first. */
  readonly changes: readonly Change[];
  readonly count: number;
}

/** Everything on the host that is weft's, in a bridge with it, or that there is a record of; by kind and name. */
export const thingsOf = (map: HostMap, entries: readonly Entry[]): readonly Thing[] => {
  const book = new Book(map, entries);
  book.addDevices();
  book.addNamespaces();
  book.addRules();
  book.addRecorded();
  return book.things;
};

class Book {
  readonly #map: HostMap;
  readonly #entries: Map<string, Entry>;
  readonly #things = new Map<string, Thing>();

  constructor(map: HostMap, entries: readonly Entry[]) {
    this.#map = map;
    this.#entries = new Map(entries.map((entry) => [keyOf(entry.thing), entry]));
  }

  get things(): readonly Thing[] {
    return [...this.#things.values()];
  }

  addDevices(): void {
    const map = this.#map;
    for (const bridge of map.look.bridges) {
      const bridgeRef = { kind: 'device', name: bridge.name, namespace: '' } as const;
      this.#add(bridgeRef, describeSwitchBridge(map, bridge), true);
      for (const port of bridge.ports) {
        // What the kernel has as well is described by that.
        if (port.name === bridge.name || map.device(port.name) !== undefined) continue;
        this.#add({ ...bridgeRef, name: port.name }, describeSwitchPort(map, bridge, port), true);
      }
    }
    // The device that a bridge of Open vSwitch has of itself is told of already.
    for (const device of map.look.devices) {
      this.#add({ kind: 'device', name: device.name, namespace: device.namespace }, describeDevice(map, device), true);
    }
  }

  addNamespaces(): void {
    const { names, look } = this.#map;
    for (const { name, processes } of look.namespaces) {
      const object = objectOfNamespace(name);
      const text =
        object === undefined ? "not weft's: a network namespace" : `network namespace of ${phraseOf(object, names)}`;
      this.#add({ kind: 'namespace', name, namespace: '' }, { text, isOurs: object !== undefined, object }, true);
      for (const { pid, argv } of processes) {
        const program = (argv[0] ?? '').replace(/^.*\//, '');
        const description = describeProcess(names, program, name, object);
        this.#add(
          { kind: 'process', name: processName(program, name), namespace: '' },
          { text: `${description}; its process id is ${pid.toString()}`, isOurs: object !== undefined, object },
          true,
        );
      }
    }
  }

  addRules(): void {
    const { look, facts } = this.#map;
    for (const { namespace, family, name, chains } of look.tables) {
      const table = `nft ${family} ${name}`;
      this.#addRule(
        { kind: 'rule', name: table, namespace },
        `table of nftables with ${chains.length.toString()} chain${chains.length === 1 ? '' : 's'}`,
        true,
      );
      for (const chain of chains)
        this.#addRule({ kind: 'rule', name: `${table} ${chain}`, namespace }, 'chain of nftables', true);
    }
    for (const { name, routes } of look.namespaces) {
      for (const route of routes) {
        const [destination = ''] = route.split(' ');
        this.#addRule({ kind: 'rule', name: `route ${destination}`, namespace: name }, `route ${route}`, true);
      }
    }
    for (const { networkId, tunnel } of facts.networks) {
      if (facts.driver === 'ovs') {
        this.#addRule({ kind: 'rule', name: flowsOf(networkId), namespace: '' }, 'flows of Open vSwitch', true);
        continue;
      }
      // Of a network without VXLAN nobody tells rows.
      if (this.#map.device(tunnel)?.vxlan === undefined) continue;
      for (const [what, text] of ROWS) {
        this.#addRule({ kind: 'rule', name: `${what} ${tunnel}`, namespace: '' }, `${text} of ${tunnel}`, true);
      }
    }
  }

  /** What there is a record of and that was not seen. */
  addRecorded(): void {
    for (const entry of this.#entries.values()) {
      const { thing, changes } = entry;
      if (this.#things.has(keyOf(thing)) || this.#isElsewhere(thing)) continue;
      if (thing.kind === 'rule') {
        this.#addRule(thing, RULES.find(([pattern]) => pattern.test(thing.name))?.[1] ?? 'rule', undefined);
        continue;
      }
      const object = changes.at(-1)?.object;
      const of = object === undefined ? '' : ` for ${phraseOf(object, this.#map.names)}`;
      const present = thing.kind === 'file' ? undefined : false;
      this.#add(thing, { text: `${thing.kind} that weft made or changed${of}`, isOurs: true, object }, present);
    }
  }

  #addRule(ref: ThingRef, text: string, present: boolean | undefined): void {
    const object = this.#objectOfRule(ref);
    const recorded = this.#entries.has(keyOf(ref));
    const isOurs = object !== undefined || recorded;
    // The host's own tables are nobody's business, unless they bear weft's name.
    if (!isOurs && !/\bweft/.test(ref.name)) return;
    const where = ref.namespace === '' ? '' : ` in namespace ${ref.namespace}`;
    const of = object === undefined ? '' : ` for ${phraseOf(object, this.#map.names)}`;
    this.#add(ref, { text: `${text}${of}${where}`, isOurs: true, object }, present);
  }

  #objectOfRule({ name, namespace }: ThingRef): ObjectRef | undefined {
    if (namespace !== '') return objectOfNamespace(namespace);
    const last = name.slice(name.lastIndexOf(' ') + 1);
    const network =
      this.#map.networkOf(last) ?? this.#map.facts.networks.find((each) => name === flowsOf(each.networkId));
    if (network !== undefined) return { kind: 'network', id: network.networkId };
    const device = this.#map.device(last);
    return device === undefined ? undefined : this.#map.objectOf(device);
  }

  /** A device that was made in one namespace and is in another now. */
  #isElsewhere({ kind, name, namespace }: ThingRef): boolean {
    return kind === 'device' && namespace === '' && this.#map.devices(name).length > 0;
  }

  #add(ref: ThingRef, { text, isOurs, object }: Description, present: boolean | undefined): void {
    const key = keyOf(ref);
    if (this.#things.has(key)) return;
    const entries = [this.#entries.get(key), this.#movedFrom(ref)].filter((each) => each !== undefined);
    const changes = entries.flatMap((entry) => entry.changes).sort((a, b) => b.time - a.time);
    this.#things.set(key, {
      ...ref,
      isOurs,
      description: text,
      object,
      present,
      related: this.#relatedTo(ref, object, changes),
      changes,
      count: entries.reduce((sum, { count }) => sum + count, 0),
    });
  }

  #movedFrom({ kind, name, namespace }: ThingRef): Entry | undefined {
    if (kind !== 'device' || namespace === '' || this.#map.device(name) !== undefined) return undefined;
    return this.#entries.get(keyOf({ kind, name, namespace: '' }));
  }

  #relatedTo(ref: ThingRef, object: ObjectRef | undefined, changes: readonly Change[]): readonly ObjectRef[] {
    const { names, look } = this.#map;
    const related = object === undefined ? [] : [object];
    const device =
      ref.kind === 'device'
        ? look.devices.find((each) => each.name === ref.name && each.namespace === ref.namespace)
        : undefined;
    for (const end of device === undefined ? [] : [device, this.#map.peerOf(device)]) {
      const own = end === undefined ? undefined : this.#map.objectOf(end);
      if (own !== undefined) related.push(own);
    }
    if (object === undefined) related.push(...changes.flatMap((change) => change.object ?? []));
    for (const { kind, id } of [...related]) {
      const networkId =
        kind === 'dhcp'
          ? id
          : kind === 'port'
            ? (names.ports.get(id)?.networkId ?? this.#networkOfPort(id))
            : undefined;
      if (networkId !== undefined) related.push({ kind: 'network', id: networkId });
    }
    return related;
  }

  #networkOfPort(portId: string): string | undefined {
    return this.#map.facts.ports.find((port) => port.portId === portId)?.networkId;
  }
}

const ROWS = [
  ['fdb', 'MAC addresses behind other hosts: rows'],
  ['neighbours', 'IP addresses behind other hosts: rows'],
  ['flood', 'other hosts that get a copy of each broadcast: rows'],
] as const;

const RULES: readonly (readonly [RegExp, string])[] = [
  [/^fdb /, 'rows of MAC addresses'],
  [/^neighbours /, 'rows of IP addresses'],
  [/^flood /, 'rows of VTEPs'],
  [/^flows /, 'flows of Open vSwitch'],
  [/^nft /, 'table or chain of nftables'],
  [/^route /, 'route'],
  [/^setting /, 'setting of the kernel'],
];
