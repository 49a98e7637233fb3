import type { CheckHostRequest, CheckHostResponse, Finding } from '#proto/weft/agent/v1/host_check.ts';
import { PassThrough } from 'node:stream';
import { run } from '../../cli/run.ts';
import { labRun } from '../../cli/lab/index.ts';
import { Connections } from '../../cli/client/connections.ts';
import { labEndpoints } from '../../cli/client/endpoints.ts';
import { inPlace } from './kernel.ts';

/** Asks agents of a lab whether their hosts are fit; whoever makes it closes it. */
export class HostChecks implements Disposable {
  readonly #lab: string;
  readonly #connections: Connections;

  constructor(lab: string) {
    this.#lab = lab;
    this.#connections = new Connections(async () => Promise.resolve(labEndpoints(lab)));
  }

  async ask(host: string, wish: Partial<CheckHostRequest> = {}): Promise<CheckHostResponse> {
    const request = { peers: [], fix: false, only: [], networks: [], ...wish };
    return await (await this.#connections.hostCheck(host)).checkHost(request, { timeoutMs: 60_000 });
  }

  /** What is amiss by these checks; by all where none are named. */
  async findings(host: string, ...only: readonly string[]): Promise<readonly Finding[]> {
    return (await this.ask(host, { only: [...only] })).findings;
  }

  /** Runs a command line of weft; its lab or agent is for the arguments to say. */
  async weft(
    ...argv: readonly string[]
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    const [out, err] = [new PassThrough().setEncoding('utf8'), new PassThrough().setEncoding('utf8')];
    const code = await run(argv, out, err);
    const text = (stream: PassThrough): string => (stream.read() as string | null) ?? '';
    return { code, out: text(out), err: text(err) };
  }

  /** Runs a command on a host, which must succeed. */
  async on(host: string, ...argv: readonly string[]): Promise<string> {
    return await inPlace({ lab: this.#lab, host }, argv);
  }

  /** Runs something on a host for as long as `work` takes. */
  async during<T>(host: string, argv: readonly string[], work: () => Promise<T>): Promise<T> {
    const ending = new AbortController();
    const running = labRun({ lab: this.#lab, host }, argv, { deadlineMs: 60_000 }, ending.signal).catch(
      () => undefined,
    );
    try {
      return await work();
    } finally {
      ending.abort();
      await running;
    }
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }
}
