import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadProcessConfig } from '#platform/config/process-config.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import { createLog } from '#platform/log/create-log.ts';
import type { Log } from '#platform/log/log.ts';
import { runMain } from '#platform/process/run-main.ts';
import { runProcess } from '#platform/process/run-process.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { readDescriptors } from '#platform/rpc/descriptors.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { otlpReceiver } from '#platform/telemetry/otlp-receiver.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { TraceStore } from '#platform/telemetry/trace-store.ts';
import { SERVICE_FLAGS } from '../node-flags.ts';
import type { Backing } from './backing.ts';
import { accepts, acceptsNow, natsChild, redisChild } from './backing-servers.ts';
import { upSettings, type UpConfig } from './config.ts';
import { embeddedServices, topologyFlags } from './embedded-services.ts';
import { Supervised } from './supervised.ts';
import { traceService } from './trace-service.ts';

const USAGE = [
  'weft up: the control plane of one weft: ipam, topology and l2pop with their own redis-server and nats-server',
  '',
  'usage: weft up [flags]',
].join('\n');

/** Runs the control plane until it is told to end. `argv` is what follows `weft up`. */
export const runUp = async (argv: readonly string[]): Promise<void> => {
  await runMain('weft', async () => {
    const loaded = loadProcessConfig(upSettings, { usage: USAGE, argv, knownEnv: ['WEFT_ADDRESS', 'WEFT_LAB'] });
    if (loaded === undefined) return;
    const config = { ...loaded.values, dataDir: resolve(loaded.values.dataDir) };
    const log = createLog({ name: 'weft', level: config.logLevel, destination: 'stderr' });
    await runProcess('weft', async (fail) => compose(config, log, fail), { graceMs: config.graceMs, log });
  });
};

const compose = async (config: UpConfig, log: Log, fail: (error: Error) => void): Promise<readonly Component[]> => {
  const { dataDir } = config;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const socket = join(dataDir, 'weft.sock');
  if (await acceptsNow(socket)) {
    throw new DomainError(
      'precondition',
      'ALREADY_RUNNING',
      `a control plane runs on ${dataDir} already: give another --data-dir`,
    );
  }
  const store = new TraceStore({ maxTraces: config.traces, maxSpans: config.spans });
  const [forwardTo] = config.otlpEndpoint;
  const descriptors = await readDescriptors();
  const redis = await redisChild(dataDir, config.redisFsync, log);
  const nats = await natsChild(dataDir, config.natsListen, log);
  const backing = {
    redis: redis.socket,
    nats: [`nats://${config.natsListen}`],
    otlpEndpoint: [`http://${config.otlpListen}`],
  };
  const services: { readonly components: readonly Component[]; readonly services: readonly RpcService[] } =
    config.isolate
      ? { components: isolatedServices(config, backing, log), services: [] }
      : embeddedServices(config, backing, log, fail);
  return [
    otlpReceiver({ listen: config.otlpListen, store, log, ...(forwardTo !== undefined && { forwardTo }) }),
    telemetry({
      service: 'weft',
      instance: 'up',
      otlpEndpoints: backing.otlpEndpoint,
      ...(config.metricsListen !== undefined && { metrics: { listen: config.metricsListen } }),
      log,
    }),
    redis,
    nats,
    ...services.components,
    rpcServer({
      name: 'weft',
      listen: [`unix:${socket}`, ...config.listen],
      services: [...services.services, traceService(store)],
      descriptors,
      log,
    }),
  ];
};

const isolatedServices = (config: UpConfig, backing: Backing, log: Log): readonly Component[] => {
  const { dataDir } = config;
  const socketOf = (name: string): string => join(dataDir, `${name}.sock`);
  const isolated = (name: string, listen: readonly string[], flags: readonly string[]): Supervised =>
    new Supervised({
      name,
      argv: [
        process.execPath,
        ...SERVICE_FLAGS,
        fileURLToPath(new URL(`../../services/${name}/main.ts`, import.meta.url)),
        ...['--listen', [`unix:${socketOf(name)}`, ...listen].join(',')],
        ...[
          '--redis',
          backing.redis,
          '--nats',
          backing.nats.join(','),
          '--otlp-endpoint',
          backing.otlpEndpoint.join(','),
        ],
        ...['--log-level', config.logLevel],
        ...flags,
      ],
      logFile: join(dataDir, `${name}.log`),
      ready: async (signal) => accepts(socketOf(name), signal),
      log,
    });
  return [
    isolated('ipam', config.ipamListen, []),
    isolated('topology', config.topologyListen, topologyFlags(config, `unix:${socketOf('ipam')}`)),
    isolated('l2pop', config.l2popListen, ['--topology-address', `unix:${socketOf('topology')}`]),
  ];
};
