import type { Component } from '#platform/lifecycle/component.ts';
import type { NamespaceWatch } from '../../sys/namespace-watch.ts';
import type { DutyListener } from '../../model/duty-listener.ts';
import type { Operation } from '../../model/operation.ts';
import { idOfNamespace, namespaceName } from './names.ts';
import { EdgeWorker } from './worker.ts';
import type { EdgeService, EdgeWorkerTools } from './worker.ts';

/** What the duties of one kind need. */
export interface EdgeDutiesTools extends EdgeWorkerTools {
  readonly namespaces: NamespaceWatch;
}

/** Between two looks at whether daemons still run. */
const DAEMONS_MS = 250;

/** All duties of one kind on this host, a worker each. What they are comes from `DutyListener`'s calls. */
export class EdgeDuties<Duty> implements Component, DutyListener<Duty> {
  readonly name: string;
  readonly #service: EdgeService<Duty>;
  readonly #tools: EdgeDutiesTools;
  readonly #workers = new Map<string, EdgeWorker<Duty>>();
  #watch: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Operations of workers that are no more. */
  #past = 0;

  constructor(service: EdgeService<Duty>, tools: EdgeDutiesTools) {
    this.name = service.kind;
    this.#service = service;
    this.#tools = tools;
  }

  /** Operations done since the start. */
  get operations(): number {
    return [...this.#workers.values()].reduce((sum, { operations }) => sum + operations, this.#past);
  }

  /** What is served now. */
  get all(): readonly Duty[] {
    return [...this.#workers.values()].flatMap(({ duty }) => (duty === undefined ? [] : [duty]));
  }

  /** What would be done now for all of them. */
  async plan(signal: AbortSignal): Promise<readonly Operation[]> {
    return (await Promise.all([...this.#workers.values()].map(async (worker) => worker.plan(signal)))).flat();
  }

  async start(): Promise<void> {
    this.#watch = this.#tools.namespaces.watch((name) => {
      this.#onNamespace(name);
    });
    this.#timer = setInterval(() => {
      for (const worker of this.#workers.values()) worker.checkDaemons();
    }, DAEMONS_MS);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#watch?.[Symbol.dispose]();
    await Promise.all([...this.#workers.values()].map(async (worker) => worker.stop()));
  }

  replace(duties: readonly Duty[], isComplete: boolean): void {
    for (const duty of duties) this.set(duty);
    if (!isComplete) return;
    const wanted = new Set(duties.map((duty) => this.#service.idOf(duty)));
    for (const worker of this.#workers.values()) if (!wanted.has(worker.id)) worker.end();
    // What an agent left that died before it could take it away.
    for (const name of this.#tools.namespaces.list()) {
      const id = idOfNamespace(this.#service.kind, name);
      if (id !== undefined && !wanted.has(id)) this.#worker(id).end();
    }
  }

  set(duty: Duty): void {
    this.#worker(this.#service.idOf(duty)).set(duty);
  }

  ended(id: string, generation: number): void {
    const worker = this.#workers.get(id);
    if (worker?.duty === undefined) return;
    // It ended here, and began here anew, and the words of it crossed.
    if (this.#service.generationOf(worker.duty) <= generation) worker.end();
  }

  /** Something moved in that namespace. */
  suspect(id: string): void {
    const worker = this.#workers.get(id);
    if (worker?.duty !== undefined) worker.suspect();
  }

  #worker(id: string): EdgeWorker<Duty> {
    const known = this.#workers.get(id);
    if (known !== undefined) return known;
    const worker = new EdgeWorker<Duty>(id, this.#service, this.#tools, () => {
      if (this.#stopped || this.#workers.get(id) !== worker) return;
      this.#past += worker.operations;
      this.#workers.delete(id);
    });
    this.#workers.set(id, worker);
    return worker;
  }

  #onNamespace(name: string | undefined): void {
    const there = new Set(this.#tools.namespaces.list());
    for (const worker of this.#workers.values()) {
      const own = namespaceName(this.#service.kind, worker.id);
      if (worker.duty === undefined || there.has(own) || (name !== undefined && name !== own)) continue;
      worker.suspect();
    }
  }
}
