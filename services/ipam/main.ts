import { readFile } from 'node:fs/promises';
import { loadProcessConfig } from '#platform/config/process-config.ts';
import { createLog } from '#platform/log/create-log.ts';
import { runMain } from '#platform/process/run-main.ts';
import { runProcess } from '#platform/process/run-process.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { composeIpam } from './compose.ts';
import { ipamSettings } from './config.ts';

const USAGE = [
  'node services/ipam/main.ts [flags]',
  '',
  'ipam: subnets, address leases, MAC addresses and segmentation ids, over gRPC.',
].join('\n');

await runMain('ipam', async () => {
  const loaded = loadProcessConfig(ipamSettings, { usage: USAGE });
  if (loaded === undefined) return;
  const config = loaded.values;
  const log = createLog({ name: 'ipam', level: config.logLevel, destination: 'stderr' });
  const descriptors = await readFile(new URL('../../proto/gen/descriptors.binpb', import.meta.url));
  await runProcess(
    'ipam',
    () => {
      const { components, services } = composeIpam(config, { log });
      return [
        telemetry({
          service: 'ipam',
          instance: config.instance,
          otlpEndpoints: config.otlpEndpoint,
          ...(config.metricsListen === undefined ? {} : { metrics: { listen: config.metricsListen } }),
          log,
        }),
        ...components,
        rpcServer({ name: 'ipam', listen: config.listen, services, descriptors, log }),
      ];
    },
    { graceMs: config.graceMs, log },
  );
});
