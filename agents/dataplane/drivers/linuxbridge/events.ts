import type { KernelEvent } from '../../model/host.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { EventQueue } from '../../sys/event-queue.ts';
import { LinkWatch } from '../../sys/link-watch.ts';
import { MonitorChild } from '../../sys/monitor-child.ts';

/** What watching needs of the host. */
export interface WatchTools {
  readonly commands: CommandRunner;
  /** Enters another namespace. */
  readonly prefix: readonly string[];
  /** The device that a line of the row monitor is about, when that was not our doing. */
  readonly foreign: (line: string) => string | undefined;
  /** Told of each device that is gone: its name may come back as another. */
  readonly onGone: (device: string) => void;
  /** Takes whom to tell when somebody else changed what ports may send. */
  readonly onGuards: (tell: (message: string) => void) => void;
}

/** Rows are lost when thousands of our own are written at once; one look after that is enough. */
const ROW_OVERRUN_REST_MS = 1_000;
/** Drift may wait that long; our own rows, which come back here one by one, must not each cost a turn. */
const ROW_GATHER_MS = 100;

/**
 * Links by one monitor, which is quick, and rows by another, which yields to all else, since our own bulk writes come back
 * on it.
 */
export async function* watchKernel(tools: WatchTools, signal: AbortSignal): AsyncGenerator<KernelEvent, void> {
  const queue = new EventQueue();
  let overrun: NodeJS.Timeout | undefined;
  const links = new LinkWatch(tools, {
    link: (link) => {
      if (link.kind === 'gone') tools.onGone(link.name);
      queue.push({ kind: 'link', link });
    },
    listed: () => {
      queue.push({ kind: 'listed' });
    },
    lost: () => {
      queue.push({ kind: 'overrun' });
    },
  });
  const rows = new MonitorChild(
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
  tools.onGuards((message) => {
    queue.push({ kind: 'guards', message });
  });
  try {
    await Promise.all([links.start(signal), rows.start(signal)]);
    yield* queue.drain(signal);
  } finally {
    tools.onGuards(() => undefined);
    await Promise.all([links.stop(), rows.stop()]);
    clearTimeout(overrun);
  }
}
