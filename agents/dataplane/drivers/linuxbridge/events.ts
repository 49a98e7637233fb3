import { sleep } from '#platform/async/sleep.ts';
import type { KernelEvent } from '../../model/host.ts';
import { outputOf } from '../../sys/command.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { MonitorChild } from '../../sys/monitor-child.ts';
import { EventQueue } from './event-queue.ts';
import { LinkTable } from './link-table.ts';

/** What watching needs of the host. */
export interface WatchTools {
  readonly commands: CommandRunner;
  /** Enters another namespace. */
  readonly prefix: readonly string[];
  /** The device that a line of the row monitor is about, when that was not our doing. */
  readonly foreign: (line: string) => string | undefined;
  /** Told of each device that is gone: its name may come back as another. */
  readonly onGone: (device: string) => void;
}

/** Rows are lost when thousands of our own are written at once; one look after that is enough. */
const ROW_OVERRUN_REST_MS = 1_000;
/** Drift may wait that long; our own rows, which come back here one by one, must not each cost a turn. */
const ROW_GATHER_MS = 100;
const LIST_RETRY_MS = 500;

/**
 * Links by one monitor, which is quick, and rows by another, which yields to all else, since our own bulk writes come back
 * on it. The list of all links is taken when the monitor already listens, so nothing falls between.
 */
export async function* watchKernel(tools: WatchTools, signal: AbortSignal): AsyncGenerator<KernelEvent, void> {
  const queue = new EventQueue();
  const links = new LinkTable();
  /** Lines that come while lists are being taken. */
  const held: string[] = [];
  let taking = 0;
  let lists: Promise<void> = Promise.resolve();
  let overrun: NodeJS.Timeout | undefined;

  const tell = (events: ReturnType<LinkTable['take']>): void => {
    for (const link of events) {
      if (link.kind === 'gone') tools.onGone(link.name);
      queue.push({ kind: 'link', link });
    }
  };
  /** The list, tried until it is had: without it nothing is known. */
  const list = async (): Promise<void> => {
    for (;;) {
      try {
        const output = await outputOf(tools.commands, ['ip', '-o', 'link', 'show'], signal);
        tell(links.replace(output.split('\n')));
        break;
      } catch {
        queue.push({ kind: 'overrun' });
        await sleep(LIST_RETRY_MS, signal);
      }
    }
    taking -= 1;
    if (taking > 0) return;
    for (const line of held.splice(0)) tell(links.take(line));
    queue.push({ kind: 'listed' });
  };
  const listAgain = (): void => {
    taking += 1;
    // It only ever fails by the abort, after which nobody listens.
    lists = lists.then(list).catch(() => undefined);
  };
  const linkMonitor = new MonitorChild(
    { argv: ['ip', '-o', 'monitor', 'link'], prefix: tools.prefix },
    {
      line: (line) => {
        if (taking === 0) tell(links.take(line));
        else held.push(line);
      },
      subscribed: listAgain,
      lost: () => {
        queue.push({ kind: 'overrun' });
        listAgain();
      },
    },
  );
  const rowMonitor = new MonitorChild(
    {
      argv: ['ip', '-rc', '4194304', '-o', 'monitor', 'neigh'],
      prefix: tools.prefix,
      niceness: 10,
      gatherMs: ROW_GATHER_MS,
    },
    {
      line: (line) => {
        const device = tools.foreign(line);
        if (device !== undefined) queue.push({ kind: 'row', device, line });
      },
      subscribed: () => undefined,
      lost: () => {
        clearTimeout(overrun);
        overrun = setTimeout(() => {
          queue.push({ kind: 'overrun' });
        }, ROW_OVERRUN_REST_MS);
      },
    },
  );
  try {
    await Promise.all([linkMonitor.start(signal), rowMonitor.start(signal)]);
    yield* queue.drain(signal);
  } finally {
    await Promise.all([linkMonitor.stop(), rowMonitor.stop()]);
    clearTimeout(overrun);
    await lists;
  }
}
