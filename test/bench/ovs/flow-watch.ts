/**
 * Tells when flows come to bridges: `node flow-watch.ts HOST=SOCKET…`, with a bridge's management socket for each host. A
 * line of input asks; the answer is a line `HOST MS KEY` for each flow that was added since, KEY as `flowKey` has it, and
 * then an empty one. The first answer comes when all bridges have taken the request.
 */
import { createInterface } from 'node:readline';
import { ByteWriter } from '../../../agents/dataplane/protocols/openflow/bytes.ts';
import { readError } from '../../../agents/dataplane/protocols/openflow/error-names.ts';
import { flowKey } from '../../../agents/dataplane/protocols/openflow/flow-identity.ts';
import {
  type FlowUpdates,
  readFlowUpdates,
  writeFlowMonitorRequest,
} from '../../../agents/dataplane/protocols/openflow/flow-monitor.ts';
import { Framer, OFPT, writeHello } from '../../../agents/dataplane/protocols/openflow/message.ts';
import { dialUnix } from '../../../agents/dataplane/sys/stream-socket.ts';

/** What a bridge told, as it came: it is read only when somebody asks. */
class WatchedBridge {
  readonly #pieces: { readonly chunk: Buffer; readonly ms: number }[] = [];
  readonly #framer: Framer;
  #ms = 0;
  readonly #lines: string[] = [];
  #isAnswered = false;

  private constructor(host: string) {
    const updates: FlowUpdates = {
      updated: (flow) => {
        if (flow.event === 'added') this.#lines.push(`${host} ${this.#ms.toString()} ${flowKey(flow)}`);
      },
      paused: () => {
        throw new Error(`the switch of ${host} does not tell all of its flows`);
      },
      resumed: () => undefined,
    };
    this.#framer = new Framer(({ type, body }) => {
      if (type === OFPT.ERROR) throw new Error(`${host}: ${readError(body)}`);
      if (type !== OFPT.MULTIPART_REPLY) return;
      this.#isAnswered = true;
      readFlowUpdates(body, updates);
    });
  }

  static async open(host: string, path: string): Promise<WatchedBridge> {
    const bridge = new WatchedBridge(host);
    const stream = await dialUnix(
      path,
      {
        data: (chunk) => {
          bridge.#pieces.push({ chunk, ms: performance.timeOrigin + performance.now() });
        },
        closed: (reason) => {
          throw reason;
        },
      },
      AbortSignal.timeout(5_000),
    );
    const writer = new ByteWriter();
    writeHello(writer, 0);
    writeFlowMonitorRequest(writer, 1);
    stream.write(writer.finish());
    return bridge;
  }

  /** What came since the last time, a line for each flow; undefined as long as the switch has not said that it will tell. */
  take(): readonly string[] | undefined {
    for (const { chunk, ms } of this.#pieces.splice(0)) {
      this.#ms = ms;
      this.#framer.push(chunk);
    }
    return this.#isAnswered ? this.#lines.splice(0) : undefined;
  }
}

const bridges: WatchedBridge[] = [];
for (const bridge of process.argv.slice(2)) {
  const [host = '', path = ''] = bridge.split('=', 2);
  bridges.push(await WatchedBridge.open(host, path));
}
const questions = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
while ((await questions.next()).done !== true) {
  for (const bridge of bridges) {
    let lines = bridge.take();
    for (; lines === undefined; lines = bridge.take()) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const line of lines) process.stdout.write(`${line}\n`);
  }
  process.stdout.write('\n');
}
process.exit();
