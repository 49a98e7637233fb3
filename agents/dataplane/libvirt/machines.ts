import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { EventLog } from '../reconcile/event-log.ts';
import { MonitorChild } from '../sys/monitor-child.ts';
import { parseMachineEvent } from './machine-event.ts';
import type { MachineCard } from './observed.ts';
import type { Virsh } from './virsh.ts';

export interface MachinesTools {
  readonly virsh: Virsh;
  /** Whether this host has a libvirt that may answer. */
  readonly isThere: () => Promise<boolean>;
  /** Told of all cards after each look. */
  readonly onLook: (cards: readonly MachineCard[]) => void;
  /** Told when libvirt is there: at the start, and each time it is back. */
  readonly onBack: () => void;
  readonly events: EventLog;
  readonly log: Log;
  /** Between two looks at all of it. */
  readonly auditIntervalMs: number;
}

/** virsh does not say when it listens; it does, some milliseconds after it is connected. What it missed is looked for. */
const LISTENS_AFTER_MS = 300;
const LOOK_FOR_LIBVIRT_MS = 1_000;

/**
 * The virtual machines of this host as its libvirt tells of them: what happens to them goes to the event log, and which card
 * is of which machine to whoever asks. A host without libvirt pays a look at a file each second.
 */
export class Machines implements Component {
  readonly name = 'machines';
  readonly #tools: MachinesTools;
  readonly #halt = new AbortController();
  #cards: readonly MachineCard[] = [];
  #dirty: 'all' | Set<string> = new Set<string>();
  #looking: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(tools: MachinesTools) {
    this.#tools = tools;
  }

  /** Resolves at once: that libvirt is there is nothing an agent can wait for. */
  async start(): Promise<void> {
    this.#running = this.#watch().catch(() => undefined);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearInterval(this.#timer);
    await this.#running;
    await this.#looking;
  }

  /** Cards of machines that run, as of the last look. */
  get cards(): readonly MachineCard[] {
    return this.#cards;
  }

  /** Looks at all machines now. Rejects with `unavailable` while libvirt is away. */
  async refresh(signal: AbortSignal): Promise<readonly MachineCard[]> {
    this.#take(await this.#tools.virsh.cards(signal));
    return this.#cards;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#halt;
    for (;;) {
      while (!(await this.#tools.isThere())) await sleep(LOOK_FOR_LIBVIRT_MS, signal);
      const child = new MonitorChild(
        { argv: ['virsh', 'event', '--loop', '--all', '--timestamp'], settleMs: LISTENS_AFTER_MS },
        {
          line: (line) => {
            this.#onLine(line);
          },
          subscribed: () => {
            this.#look('all');
            this.#tools.onBack();
          },
          lost: (why) => {
            this.#tools.log.info({ why }, 'libvirt went away, or is started again');
          },
        },
      );
      try {
        await child.start(signal);
      } catch {
        await sleep(LOOK_FOR_LIBVIRT_MS, signal);
        continue;
      }
      this.#timer = setInterval(() => {
        this.#look('all');
      }, this.#tools.auditIntervalMs);
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve, { once: true });
      });
      await child.stop();
      return;
    }
  }

  #onLine(line: string): void {
    const event = parseMachineEvent(line);
    if (event === undefined) return;
    const { domain, what } = event;
    this.#tools.events.emit({ kind: 'machine', message: `machine ${domain}: ${what}` });
    this.#tools.log.info({ domain, what }, 'machine event');
    this.#look(domain);
  }

  /** What comes while one look is under way is looked at by the next one, all at once. */
  #look(what: string): void {
    if (this.#halt.signal.aborted) return;
    if (what === 'all') this.#dirty = 'all';
    else if (this.#dirty !== 'all') this.#dirty.add(what);
    this.#looking ??= this.#lookAround().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Never rejects: libvirt that is away tells so by its events' end, and is looked at when it is back. */
  async #lookAround(): Promise<void> {
    const { signal } = this.#halt;
    while (!signal.aborted && (this.#dirty === 'all' || this.#dirty.size > 0)) {
      const dirty = this.#dirty;
      this.#dirty = new Set();
      try {
        if (dirty === 'all') this.#take(await this.#tools.virsh.cards(signal));
        else {
          const fresh = await Promise.all([...dirty].map(async (name) => this.#tools.virsh.cardsOf(name, signal)));
          this.#take([...this.#cards.filter(({ domain }) => !dirty.has(domain)), ...fresh.flat()]);
        }
      } catch (thrown) {
        if (!signal.aborted) this.#tools.log.info({ error: toError(thrown).message }, 'machines not looked at');
      }
    }
  }

  #take(cards: readonly MachineCard[]): void {
    this.#cards = cards;
    this.#tools.onLook(cards);
  }
}
