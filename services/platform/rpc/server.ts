import { Server, type ServerOptions, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { aborted } from '#platform/async/aborted.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { answerStream, answerUnary, type Authorise, type CallEnvironment, Malformed } from './call.ts';
import { type MethodShape, serviceNameOf } from './definition.ts';
import type { AnyHandler, RpcService } from './handlers.ts';
import './grpc-log.ts';
import { Health, healthService, NOT_SERVING, SERVING } from './health.ts';
import { bind, type TlsFiles } from './listen.ts';
import { reflectionServices } from './reflection.ts';

export interface RpcServerOptions {
  /** Of the component; also the service whose name the spans of its calls bear. */
  readonly name: string;
  /** `unix:/path` or `host:port`; port 0 takes a free one. */
  readonly listen: readonly string[];
  readonly services: readonly RpcService[];
  /** A FileDescriptorSet of all services, for reflection; none without. */
  readonly descriptors?: Uint8Array;
  readonly log: Log;
  /** Mutual TLS for the TCP addresses. */
  readonly tls?: TlsFiles;
  /** Asked before every call but health and reflection. */
  readonly authorise?: Authorise;
  /** For unary calls whose client sets no deadline; 30,000 unless told otherwise. */
  readonly unaryDeadlineMs?: number;
  /** Largest message taken or sent; 16 MiB unless told otherwise. */
  readonly maxMessageBytes?: number;
}

/** A gRPC server with health and reflection. */
export interface RpcServer extends Component {
  /** What it listens on, in the order of `listen`, with the ports that were given; empty until started. */
  readonly addresses: readonly string[];
  /** Tells health checks whether to send calls here; true from the start on. */
  setServing(serving: boolean): void;
}

/**
 * Serves `services` while it runs. Stopping tells health checks, ends streams with UNAVAILABLE, lets unary calls finish,
 * and cuts off what is left when the stop's signal aborts. No input ends the process: bytes that are not the message they
 * should be are answered with INVALID_ARGUMENT.
 */
export const rpcServer = (options: RpcServerOptions): RpcServer => new GrpcServer(options);

class GrpcServer implements RpcServer {
  readonly name: string;
  readonly #options: RpcServerOptions;
  readonly #health = new Health();
  readonly #environment: CallEnvironment;
  #server: Server | undefined;
  #addresses: readonly string[] = [];

  constructor(options: RpcServerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#environment = {
      service: options.name,
      log: options.log,
      unaryDeadlineMs: options.unaryDeadlineMs ?? 30_000,
      authorise: options.authorise,
      open: new Set(),
    };
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  async start(): Promise<void> {
    const { listen, tls } = this.#options;
    const server = this.#assemble();
    try {
      const addresses: string[] = [];
      for (const address of listen) addresses.push(await bind(server, address, tls));
      this.#server = server;
      this.#addresses = addresses;
    } catch (thrown) {
      server.forceShutdown();
      throw thrown;
    }
    this.#health.setAll(SERVING);
    this.#options.log.info({ addresses: this.#addresses }, 'serving gRPC');
  }

  setServing(serving: boolean): void {
    this.#health.setAll(serving ? SERVING : NOT_SERVING);
  }

  async stop(signal: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#addresses = [];
    this.#health.setAll(NOT_SERVING);
    const { open } = this.#environment;
    for (const call of open) if (call.stream) call.abort(stopping());
    await Promise.race([drained(server), cutOff(signal)]).catch(() => {
      for (const call of open) call.abort(stopping());
      server.forceShutdown();
    });
    // Handlers that heed their signal end at once; the others had until now.
    await Promise.race([Promise.all([...open].map((call) => call.done)), cutOff(signal)]).catch(() => {
      this.#options.log.warn({ handlers: open.size }, 'handlers outlive the server');
    });
  }

  #assemble(): Server {
    const server = new Server(serverOptions(this.#options.maxMessageBytes ?? 16 * 1_024 * 1_024));
    const services = this.#options.services;
    const health = healthService(this.#health);
    const names = services.map(({ definition }) => serviceNameOf(definition));
    for (const name of ['', ...names]) this.#health.set(name, NOT_SERVING);
    for (const one of services) this.#add(server, one, this.#environment);
    this.#add(server, health, { ...this.#environment, authorise: undefined });
    const { descriptors } = this.#options;
    if (descriptors !== undefined)
      for (const { definition, implementation } of reflectionServices(descriptors, [
        ...names,
        serviceNameOf(health.definition),
      ]))
        server.addService(definition, implementation);
    return server;
  }

  #add(server: Server, { definition, handlers }: RpcService, environment: CallEnvironment): void {
    const implementation: UntypedServiceImplementation = {};
    const guarded: Record<string, MethodShape> = {};
    for (const [name, method] of Object.entries(definition)) {
      const handler = handlers[name];
      if (handler === undefined) throw new TypeError(`${method.path} has no handler`);
      guarded[name] = this.#guarded(method);
      implementation[name] = answering(environment, method, handler);
    }
    server.addService(guarded satisfies ServiceDefinition, implementation);
  }

  /** The same method, with codecs that do not end in INTERNAL without a word in the log. */
  #guarded(method: MethodShape): MethodShape {
    return {
      path: method.path,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      requestSerialize: (value) => method.requestSerialize(value),
      responseDeserialize: (bytes) => method.responseDeserialize(bytes),
      requestDeserialize: (bytes) => {
        try {
          return method.requestDeserialize(bytes);
        } catch (thrown) {
          return new Malformed(thrown);
        }
      },
      responseSerialize: (value) => {
        try {
          return method.responseSerialize(value);
        } catch (thrown) {
          this.#options.log.error({ err: thrown, method: method.path }, 'answer cannot be encoded');
          throw thrown;
        }
      },
    };
  }
}

const answering = (
  environment: CallEnvironment,
  { path }: MethodShape,
  handler: AnyHandler,
): UntypedServiceImplementation[string] =>
  handler.kind === 'unary'
    ? answerUnary(environment, path, handler.handle)
    : answerStream(environment, path, handler.handle);

const serverOptions = (maxMessageBytes: number): ServerOptions => ({
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  // A client whose host has died is noticed, and its streams end, within half a minute.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
});

const stopping = (): DomainError => new DomainError('unavailable', 'SHUTTING_DOWN', 'the server is stopping');

const drained = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    server.tryShutdown((error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });

const cutOff = async (signal: AbortSignal): Promise<never> => {
  using abort = aborted(signal);
  return await abort.promise;
};
