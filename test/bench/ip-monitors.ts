import { sleep } from '#platform/async/sleep.ts';
import type { LabWeft } from '../system/lab-weft.ts';
import { spawnObserver } from './observing-child.ts';

/** A line of `ip -ts -o monitor` with its time in milliseconds since 1970, as the kernel's word reached the monitor. */
export interface MonitorLine {
  readonly host: string;
  readonly ms: number;
  readonly line: string;
}

const STAMP = /^\[(?<date>[0-9-]{10})T(?<time>[0-9:]{8})\.(?<micros>\d{6})\] (?<line>.*)$/;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface Watched {
  readonly host: string;
  readonly child: ReturnType<typeof spawnObserver>;
  text: string;
}

/** What `ip monitor` takes at most until it listens; it does not say when it does. */
const LISTENS_MS = 500;

/** Watches the kernels of a lab's hosts by iproute2; what the monitors wrote is kept until it is asked for. */
export class IpMonitors implements AsyncDisposable {
  readonly #watched: Watched[] = [];

  /** Sees what happens after this resolves; `objects` as ip-monitor(8) names them, e.g. `link`. */
  static async open(lab: LabWeft, objects: readonly string[]): Promise<IpMonitors> {
    const monitors = new IpMonitors();
    for (const host of lab.hosts) monitors.#watch(host, `weft-${lab.name}-${host}`, objects);
    await sleep(LISTENS_MS, AbortSignal.timeout(10_000));
    return monitors;
  }

  /** What was seen since the last call, host by host in the order it was seen. */
  take(): readonly MonitorLine[] {
    return this.#watched.flatMap((watched) => {
      const end = watched.text.lastIndexOf('\n') + 1;
      const lines = watched.text.slice(0, end).split('\n');
      watched.text = watched.text.slice(end);
      return lines.flatMap((text) => {
        const groups = STAMP.exec(text)?.groups;
        if (groups === undefined) return [];
        const seconds = Date.parse(`${groups['date'] ?? ''}T${groups['time'] ?? ''}Z`);
        return [{ host: watched.host, ms: seconds + Number(groups['micros']) / 1000, line: groups['line'] ?? '' }];
      });
    });
  }

  #watch(host: string, namespace: string, objects: readonly string[]): void {
    const argv = ['ip', '-n', namespace, '-ts', '-o', 'monitor', ...objects];
    const child = spawnObserver(argv, { PATH, LC_ALL: 'C', TZ: 'UTC' });
    const watched: Watched = { host, child, text: '' };
    this.#watched.push(watched);
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      watched.text += chunk;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#watched.map(async ({ child }) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }),
    );
  }
}

/** The device that a line of `ip monitor link` is about: `7: tap0: <BROADCAST…`; undefined in other lines. */
export const linkOf = (line: string): string | undefined =>
  /^\d+: (?<device>[^:@\s]+)[:@]/.exec(line)?.groups?.['device'];
