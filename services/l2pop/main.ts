import { readFile } from 'node:fs/promises';
import { loadProcessConfig } from '#platform/config/process-config.ts';
import { createLog } from '#platform/log/create-log.ts';
import { runMain } from '#platform/process/run-main.ts';
import { runProcess } from '#platform/process/run-process.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { composeL2pop } from './compose.ts';
import { l2popSettings } from './config.ts';

const USAGE = [
  'node services/l2pop/main.ts [flags]',
  '',
  'l2pop: forwarding tables of overlay networks, their changes, and how far hosts are, over gRPC.',
].join('\n');

await runMain('l2pop', async () => {
  const loaded = loadProcessConfig(l2popSettings, { usage: USAGE });
  if (loaded === undefined) return;
  const config = loaded.values;
  const { instance, listen, graceMs, metricsListen } = config;
  const log = createLog({ name: 'l2pop', level: config.logLevel, destination: 'stderr' });
  const descriptors = await readFile(new URL('../../proto/gen/descriptors.binpb', import.meta.url));
  await runProcess(
    'l2pop',
    (fail) => {
      const { components, services } = composeL2pop(config, { log, fail });
      return [
        telemetry({
          service: 'l2pop',
          instance,
          otlpEndpoints: config.otlpEndpoint,
          ...(metricsListen === undefined ? {} : { metrics: { listen: metricsListen } }),
          log,
        }),
        ...components,
        rpcServer({ name: 'l2pop', listen, services, descriptors, log }),
      ];
    },
    { graceMs, log },
  );
});
