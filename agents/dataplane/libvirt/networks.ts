import { KeyedQueue } from '#platform/async/keyed-queue.ts';
import { DomainError, notFound, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { currentTraceId, inSpan } from '#platform/telemetry/spans.ts';
import type { Operation, Outcome } from '../model/operation.ts';
import { annotate } from '../reconcile/annotate.ts';
import type { EventLog } from '../reconcile/event-log.ts';
import { networkXml } from './definition.ts';
import type { Machines } from './machines.ts';
import type { MeshNetworks } from './mesh.ts';
import type { HostBridges, MachineCard, ObservedNetwork } from './observed.ts';
import { planLibvirtNetwork, planLibvirtRemoval } from './plan.ts';
import { problemOf } from './problems.ts';
import type { LibvirtProblem } from './problems.ts';
import { uuidOf } from './spec.ts';
import type { LibvirtName, LibvirtSpec, LibvirtWish } from './spec.ts';
import type { LibvirtStore } from './store.ts';
import type { Virsh } from './virsh.ts';

export interface LibvirtTools {
  readonly virsh: Virsh;
  readonly machines: Pick<Machines, 'cards' | 'refresh'>;
  readonly bridges: (signal: AbortSignal) => Promise<HostBridges>;
  /** Undefined for an agent that stands alone. */
  readonly mesh: MeshNetworks | undefined;
  readonly isThere: () => Promise<boolean>;
  readonly store: LibvirtStore;
  readonly events: EventLog;
  readonly log: Log;
  readonly auditIntervalMs: number;
}

/** A libvirt network as callers see it. */
export interface LibvirtView {
  readonly name: string;
  /** Undefined for one that was not applied here. */
  readonly spec: LibvirtSpec | undefined;
  readonly observed: ObservedNetwork | undefined;
  readonly cards: readonly MachineCard[];
  readonly problems: readonly LibvirtProblem[];
  readonly mtu: number;
}

/** All that is looked at for one answer. */
interface Look {
  readonly networks: ReadonlyMap<string, ObservedNetwork>;
  readonly cards: readonly MachineCard[];
  readonly bridges: HostBridges;
}

/**
 * libvirt networks of this host: makes those that were applied, keeps them so, remembers them; and says of all what is wrong
 * with them. One thing at a time.
 */
export class LibvirtNetworks implements Component {
  readonly name = 'libvirt-networks';
  readonly #tools: LibvirtTools;
  readonly #specs = new Map<string, LibvirtSpec>();
  readonly #turn = new KeyedQueue<'libvirt'>();
  readonly #halt = new AbortController();
  /** What was told already. */
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tools: LibvirtTools) {
    this.#tools = tools;
  }

  /** Takes up what the last run left; their networks of the mesh stay from now on. Before those are looked at. */
  async load(): Promise<void> {
    for (const spec of await this.#tools.store.load()) {
      this.#specs.set(spec.name, spec);
      if ('networkId' in spec.target) this.#tools.mesh?.pin(spec.target.networkId);
    }
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => {
      this.auditSoon();
    }, this.#tools.auditIntervalMs);
    this.auditSoon();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearInterval(this.#timer);
    await this.#turn.idle();
  }

  /** The network of the mesh that a libvirt network leads into. */
  meshNetworkOf(name: string): string | undefined {
    const target = this.#specs.get(name)?.target;
    return target !== undefined && 'networkId' in target ? target.networkId : undefined;
  }

  /** All networks of libvirt and those that it should have, by name. */
  async list(signal: AbortSignal): Promise<readonly LibvirtView[]> {
    return await this.#inTurn(signal, async () => {
      const look = await this.#look(signal);
      const names = new Set([...look.networks.keys(), ...this.#specs.keys()]);
      return [...names].sort().map((name) => this.#view(name, look));
    });
  }

  /** Throws `not_found`. */
  async get(name: LibvirtName, signal: AbortSignal): Promise<LibvirtView> {
    return await this.#inTurn(signal, async () => {
      const look = await this.#look(signal);
      if (!look.networks.has(name) && !this.#specs.has(name)) throw notFound('libvirt', name);
      return this.#view(name, look);
    });
  }

  /** Makes libvirt have the network. What is wrong with it is thrown before anything is done. */
  async apply(
    spec: LibvirtSpec,
    { force, validateOnly }: { readonly force: boolean; readonly validateOnly: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly view: LibvirtView; readonly outcomes: readonly Outcome[]; readonly xml: string }> {
    return await this.#inTurn(signal, async () => {
      const before = this.#specs.get(spec.name);
      const first = await this.#look(signal);
      const wish = await this.#wish(spec, first, signal);
      const problem = this.#problem(wish, first);
      // The bridge of a network of the mesh is made when that is held.
      if (problem !== undefined && 'bridge' in spec.target) throw refused(problem);
      const file = this.#tools.store.definitionPath(spec.name);
      const planned = planLibvirtNetwork({
        ...{ wish, force, file, observed: first.networks.get(spec.name), isOurs: before !== undefined },
        cards: cardsIn(spec.name, first),
      });
      const xml = networkXml(wish);
      if (validateOnly) {
        return {
          view: { ...this.#view(spec.name, first), spec },
          outcomes: planned.map((operation) => ({ operation })),
          xml,
        };
      }
      if ('networkId' in spec.target) await this.#tools.mesh?.hold(spec.target.networkId, signal);
      await this.#tools.store.save(spec);
      this.#specs.set(spec.name, spec);
      await this.#releaseOf(before);
      await this.#tools.store.define(spec.name, xml);
      const outcomes = await this.#perform(spec.name, planned, 'request');
      return { view: this.#view(spec.name, await this.#look(signal)), outcomes, xml };
    });
  }

  /** Takes a network away that was applied here. Throws `not_found`, `precondition` while machines use it. */
  async delete(
    name: LibvirtName,
    { force, validateOnly }: { readonly force: boolean; readonly validateOnly: boolean },
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    return await this.#inTurn(signal, async () => {
      const spec = this.#specs.get(name);
      if (spec === undefined) throw notFound('libvirt', name);
      const look = await this.#look(signal);
      const planned = planLibvirtRemoval(look.networks.get(name), cardsIn(name, look), force);
      if (validateOnly) return planned.map((operation) => ({ operation }));
      const outcomes = await this.#perform(name, planned, 'request');
      if (outcomes.some(({ error }) => error !== undefined)) return outcomes;
      await this.#tools.store.remove(name);
      this.#specs.delete(name);
      await this.#releaseOf(spec);
      return outcomes;
    });
  }

  /** Compares all networks with what libvirt has, repairs ours, tells of what is wrong. Never rejects. */
  auditSoon(): void {
    if (this.#halt.signal.aborted) return;
    void this.#turn
      .run('libvirt', async () => {
        await this.#audit();
      })
      .catch((thrown: unknown) => {
        if (this.#halt.signal.aborted) return;
        this.#tools.log.info({ error: toError(thrown).message }, 'libvirt networks not looked at');
      });
  }

  async #audit(): Promise<void> {
    const { signal } = this.#halt;
    signal.throwIfAborted();
    for (const { target } of this.#specs.values()) {
      if ('networkId' in target) await this.#tools.mesh?.hold(target.networkId, signal);
    }
    if (!(await this.#tools.isThere())) return;
    let look = await this.#look(signal);
    for (const spec of [...this.#specs.values()]) {
      if (await this.#repair(spec, look)) look = await this.#look(signal);
    }
    for (const name of look.networks.keys()) for (const problem of this.#view(name, look).problems) this.#tell(problem);
  }

  /** Whether something was done. */
  async #repair(spec: LibvirtSpec, look: Look): Promise<boolean> {
    const { store, events, log } = this.#tools;
    try {
      const wish = await this.#wish(spec, look, this.#halt.signal);
      const planned = planLibvirtNetwork({
        ...{ wish, force: false, isOurs: true, file: store.definitionPath(spec.name) },
        ...{ observed: look.networks.get(spec.name), cards: cardsIn(spec.name, look) },
      });
      if (planned.length === 0 || this.#problem(wish, look) !== undefined) return false;
      await store.define(spec.name, networkXml(wish));
      const outcomes = await this.#perform(spec.name, planned, 'drift');
      const repaired = outcomes.filter(({ error }) => error === undefined).length;
      const traceId = currentTraceId();
      const about = { outcomes, ...(traceId !== undefined && { traceId }) };
      const steps = `${repaired.toString()} of ${outcomes.length.toString()} steps done`;
      events.emit({ kind: 'drift', message: `libvirt network ${spec.name} is not as it was applied`, ...about });
      events.emit({ kind: 'repair', message: `libvirt network ${spec.name}: ${steps}`, ...about });
      log.warn({ network: spec.name, steps: outcomes.length, repaired }, 'libvirt network repaired');
      return true;
    } catch (thrown) {
      this.#halt.signal.throwIfAborted();
      this.#warn(toError(thrown).message);
      return false;
    }
  }

  async #wish(spec: LibvirtSpec, { networks, bridges }: Look, signal: AbortSignal): Promise<LibvirtWish> {
    const { name, target, autostart } = spec;
    const known = networks.get(name);
    const uuid = (known?.defined ?? known?.active)?.uuid ?? uuidOf(spec);
    const other = [...networks.values()].find(
      (each) => each.name !== name && (each.defined ?? each.active)?.uuid === uuid,
    );
    if (other !== undefined) {
      throw new DomainError(
        'exists',
        'LIBVIRT_UUID_TAKEN',
        `libvirt network ${other.name} has UUID ${uuid} already: a network of the mesh has one libvirt network on a host`,
        { details: { network: other.name } },
      );
    }
    if ('bridge' in target) {
      return { name, autostart, uuid, bridge: target.bridge, openvswitch: bridges.openvswitch.has(target.bridge) };
    }
    const { mesh } = this.#tools;
    if (mesh === undefined) throw standsAlone();
    return {
      name,
      autostart,
      uuid,
      bridge: await mesh.bridgeOf(target.networkId, signal),
      openvswitch: mesh.openvswitch,
    };
  }

  #problem({ name, bridge, openvswitch }: LibvirtWish, { bridges }: Look): LibvirtProblem | undefined {
    return problemOf(
      name,
      { forward: 'bridge', bridge, virtualPort: openvswitch ? 'openvswitch' : undefined },
      bridges,
    );
  }

  async #look(signal: AbortSignal): Promise<Look> {
    const { virsh, machines, bridges } = this.#tools;
    const [networks, cards, host] = await Promise.all([
      virsh.networks(signal),
      machines.refresh(signal),
      bridges(signal),
    ]);
    return { networks, cards, bridges: host };
  }

  #view(name: string, look: Look): LibvirtView {
    const observed = look.networks.get(name);
    const definition = observed?.active ?? observed?.defined;
    const problem = definition === undefined ? undefined : problemOf(name, definition, look.bridges);
    const spec = this.#specs.get(name);
    // Bridges of Open vSwitch are of many networks, and of their devices' MTU.
    const ofMesh =
      spec !== undefined && 'networkId' in spec.target ? this.#tools.mesh?.mtuOf(spec.target.networkId) : undefined;
    return {
      ...{ name, observed, spec, cards: cardsIn(name, look) },
      problems: problem === undefined ? [] : [problem],
      mtu: ofMesh ?? look.bridges.devices.get(definition?.bridge ?? '') ?? 0,
    };
  }

  /** What is done is not undone by a caller who goes. */
  async #perform(name: string, operations: readonly Operation[], cause: string): Promise<readonly Outcome[]> {
    if (operations.length === 0) return [];
    const options = {
      attributes: { 'weft.libvirt.network': name, 'weft.audit.cause': cause },
      ...(cause !== 'request' && { parent: 'root' as const }),
    };
    return await inSpan('agent.libvirt', options, async (span) => {
      const outcomes = await this.#tools.virsh.perform(operations, this.#halt.signal);
      annotate(span, outcomes);
      return outcomes;
    });
  }

  /** The network of the mesh that a spec led into, unless another still does. */
  async #releaseOf(spec: LibvirtSpec | undefined): Promise<void> {
    if (spec === undefined || 'bridge' in spec.target) return;
    const { networkId } = spec.target;
    const isWanted = [...this.#specs.values()].some(
      ({ target }) => 'networkId' in target && target.networkId === networkId,
    );
    if (!isWanted) await this.#tools.mesh?.release(networkId);
  }

  #tell({ message, cure }: LibvirtProblem): void {
    this.#warn(`${message}; mend it: ${cure}`);
  }

  #warn(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#tools.events.emit({ kind: 'warning', message });
    this.#tools.log.warn({}, message);
  }

  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#halt.signal.throwIfAborted();
    return await this.#turn.run('libvirt', work, signal);
  }
}

const cardsIn = (name: string, { cards }: Look): readonly MachineCard[] =>
  cards.filter(({ network }) => network === name);

const refused = ({ reason, message, cure }: LibvirtProblem): DomainError =>
  new DomainError('precondition', 'LIBVIRT_BRIDGE', `${message}; mend it: ${cure}`, {
    details: { problem: reason, cure },
  });

const standsAlone = (): DomainError =>
  new DomainError(
    'precondition',
    'STANDS_ALONE',
    'this agent stands alone and knows no networks of a mesh: give a bridge instead of network_id',
  );
