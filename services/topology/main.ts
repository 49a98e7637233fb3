import { readFileSync } from 'node:fs';
import { loadProcessConfig } from '#platform/config/process-config.ts';
import { createLog } from '#platform/log/create-log.ts';
import { runMain } from '#platform/process/run-main.ts';
import { runProcess } from '#platform/process/run-process.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { composeTopology } from './compose.ts';
import { topologySettings } from './config.ts';

const DESCRIPTORS = new URL('../../proto/gen/descriptors.binpb', import.meta.url);

await runMain('weft-topology', async () => {
  const loaded = loadProcessConfig(topologySettings, { usage: 'weft-topology [flags]' });
  if (loaded === undefined) return;
  const { values: config } = loaded;
  const { instance, listen, graceMs, metricsListen } = config;
  const log = createLog({ name: 'weft-topology', level: config.logLevel, destination: 'stderr' });
  await runProcess(
    'weft-topology',
    (fail) => {
      const { components, services } = composeTopology(config, { log, fail });
      return [
        telemetry({
          service: 'weft-topology',
          instance,
          otlpEndpoints: config.otlpEndpoint,
          ...(metricsListen === undefined ? {} : { metrics: { listen: metricsListen } }),
          log,
        }),
        ...components,
        rpcServer({ name: 'topology', listen, services, descriptors: readFileSync(DESCRIPTORS), log }),
      ];
    },
    { graceMs, log },
  );
});
