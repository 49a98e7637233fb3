import type { IncomingMessage, ServerResponse } from 'node:http';
import { follow } from '#platform/async/follow.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import { type Log, nullLog } from '#platform/log/log.ts';
import { type HttpListener, listenHttp } from './http-listener.ts';
import { counter } from './instruments.ts';
import { parseTraces } from './otlp.ts';
import type { TraceStore } from './trace-store.ts';

const MAX_BODY_BYTES = 8 * 1_024 * 1_024;
const FORWARD_DEADLINE_MS = 5_000;
const MAX_FORWARDS = 8;

const received = counter('weft_traces_spans_received', 'Spans taken into the trace store');
const forwards = counter(
  'weft_traces_forwarded_requests',
  'Trace requests passed on to the next collector, by outcome',
);

export interface OtlpReceiverOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly store: TraceStore;
  /** Another collector's OTLP/HTTP base that gets a copy of every accepted request. */
  readonly forwardTo?: string;
  readonly log?: Log;
}

/** Takes OTLP/HTTP JSON at `/v1/traces` into a TraceStore. */
export interface OtlpReceiver extends Component {
  /** `host:port` once started. */
  readonly address: string | undefined;
}

/** A receiver of traces. Bad input is answered with 4xx and changes nothing; a collector behind it is never waited for. */
export const otlpReceiver = (options: OtlpReceiverOptions): OtlpReceiver => new Receiver(options);

class Receiver implements OtlpReceiver {
  readonly name = 'otlp-receiver';
  readonly #options: OtlpReceiverOptions;
  readonly #log: Log;
  readonly #halt = new AbortController();
  readonly #forwards = new Set<Promise<void>>();
  #listener: HttpListener | undefined;

  constructor(options: OtlpReceiverOptions) {
    this.#options = options;
    this.#log = options.log ?? nullLog;
  }

  get address(): string | undefined {
    return this.#listener?.address;
  }

  async start(): Promise<void> {
    this.#listener = await listenHttp(this.#options.listen, (request, response) => this.#handle(request, response));
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#listener?.close(signal);
    this.#listener = undefined;
    this.#halt.abort();
    await Promise.all(this.#forwards);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = refuse(request);
    if (refusal !== undefined) {
      answer(response, refusal.status, { message: refusal.message });
      return;
    }
    const body = await read(request);
    if (body === undefined) {
      answer(response, 413, { message: `more than ${MAX_BODY_BYTES.toString()} bytes` });
      return;
    }
    try {
      const spans = parseTraces(body.toString('utf8'));
      this.#options.store.add(spans);
      received.add(spans.length);
      answer(response, 200, {});
    } catch (thrown) {
      const violations = thrown instanceof DomainError ? thrown.violations : [];
      answer(response, 400, { code: 3, message: toError(thrown).message, violations });
      return;
    }
    this.#forward(body);
  }

  #forward(body: Buffer): void {
    const { forwardTo } = this.#options;
    if (forwardTo === undefined) return;
    if (this.#forwards.size >= MAX_FORWARDS) {
      forwards.add(1, { outcome: 'dropped' });
      return;
    }
    const sent = this.#send(forwardTo, body).finally(() => this.#forwards.delete(sent));
    this.#forwards.add(sent);
  }

  /** Never rejects. */
  async #send(forwardTo: string, body: Buffer): Promise<void> {
    using limited = follow(this.#halt.signal, AbortSignal.timeout(FORWARD_DEADLINE_MS));
    try {
      const answered = await fetch(`${forwardTo.replace(/\/+$/, '')}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: new Uint8Array(body),
        signal: limited.signal,
      });
      await answered.body?.cancel();
      forwards.add(1, { outcome: answered.ok ? 'ok' : 'refused' });
    } catch (thrown) {
      forwards.add(1, { outcome: 'failed' });
      this.#log.debug({ err: thrown, endpoint: forwardTo }, 'traces not forwarded');
    }
  }
}

const refuse = (request: IncomingMessage): { readonly status: number; readonly message: string } | undefined => {
  if (request.url?.split('?')[0] !== '/v1/traces') return { status: 404, message: 'only /v1/traces is served here' };
  if (request.method !== 'POST') return { status: 405, message: 'POST only' };
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
    return { status: 415, message: 'only application/json is understood' };
  if (!/^(?:identity)?$/i.test(request.headers['content-encoding'] ?? ''))
    return { status: 415, message: 'only identity encoding is understood' };
  return undefined;
};

/** The whole body, or undefined when it is too large. */
const read = async (request: IncomingMessage): Promise<Buffer | undefined> => {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  // A refused body is not read to its end, so the connection cannot be used again.
  const headers = status === 200 ? {} : { connection: 'close' };
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};
