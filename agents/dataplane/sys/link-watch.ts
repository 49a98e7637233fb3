import { sleep } from '#platform/async/sleep.ts';
import type { LinkEvent } from '../model/host.ts';
import { outputOf } from './command.ts';
import type { CommandRunner } from './command.ts';
import { LinkTable } from './link-table.ts';
import { MonitorChild } from './monitor-child.ts';

/** What watching needs of the host. */
export interface LinkWatchTools {
  readonly commands: CommandRunner;
  /** Enters another namespace. */
  readonly prefix: readonly string[];
}

/** Who is told of links. */
export interface LinkWatchHandlers {
  /** A link appeared, changed or went. */
  link(event: LinkEvent): void;
  /** Every link that is there has been told of. */
  listed(): void;
  /** Events were lost; a new list is on its way. */
  lost(): void;
}

const LIST_RETRY_MS = 500;

/** Tells of the links of a namespace. The list is taken when the monitor already listens, so nothing falls between. */
export class LinkWatch {
  readonly #tools: LinkWatchTools;
  readonly #handlers: LinkWatchHandlers;
  readonly #links = new LinkTable();
  readonly #monitor: MonitorChild;
  readonly #halt = new AbortController();
  /** Lines that come while lists are being taken. */
  readonly #held: string[] = [];
  #taking = 0;
  #lists: Promise<void> = Promise.resolve();

  constructor(tools: LinkWatchTools, handlers: LinkWatchHandlers) {
    this.#tools = tools;
    this.#handlers = handlers;
    this.#monitor = new MonitorChild(
      { argv: ['ip', '-rc', '4194304', '-o', 'monitor', 'link'], prefix: tools.prefix, endsOnOverrun: true },
      {
        line: (line) => {
          if (this.#taking === 0) this.#tell(this.#links.take(line));
          else this.#held.push(line);
        },
        subscribed: () => {
          this.#listAgain();
        },
        // It is subscribed again soon.
        lost: () => {
          handlers.lost();
        },
      },
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#monitor.start(signal);
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await this.#monitor.stop();
    await this.#lists;
  }

  #tell(events: readonly LinkEvent[]): void {
    for (const link of events) this.#handlers.link(link);
  }

  #listAgain(): void {
    this.#taking += 1;
    // It only ever fails by the abort, after which nobody listens.
    this.#lists = this.#lists.then(async () => this.#list()).catch(() => undefined);
  }

  /** The list, tried until it is had: without it nothing is known. */
  async #list(): Promise<void> {
    const { signal } = this.#halt;
    for (;;) {
      try {
        const output = await outputOf(this.#tools.commands, ['ip', '-o', 'link', 'show'], signal);
        this.#tell(this.#links.replace(output.split('\n')));
        break;
      } catch {
        signal.throwIfAborted();
        this.#handlers.lost();
        await sleep(LIST_RETRY_MS, signal);
      }
    }
    this.#taking -= 1;
    if (this.#taking > 0) return;
    for (const line of this.#held.splice(0)) this.#tell(this.#links.take(line));
    this.#handlers.listed();
  }
}
