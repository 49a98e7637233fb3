import { loadProcessConfig } from '#platform/config/process-config.ts';
import { createLog } from '#platform/log/create-log.ts';
import { yieldToOthers } from '#platform/process/background-threads.ts';
import { runMain } from '#platform/process/run-main.ts';
import { runProcess } from '#platform/process/run-process.ts';
import { readDescriptors } from '#platform/rpc/descriptors.ts';
import { rpcServer } from '#platform/rpc/server.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { composeAgent } from './compose.ts';
import { agentSettings, checkAgentConfig } from './config.ts';

/** Runs one host's agent until it is told to end. `argv` is what follows the program's name. */
export const runAgent = async (argv: readonly string[]): Promise<void> => {
  const loaded = loadProcessConfig(agentSettings, {
    usage:
      'weft agent: the dataplane agent of this host\n\nusage: weft agent --vtep-address ADDRESS [flags]\n       weft agent --standalone [flags]',
    argv,
  });
  if (loaded === undefined) return;
  const config = loaded.values;
  checkAgentConfig(config);
  const log = createLog({ name: 'weft-agent', level: config.logLevel, destination: 'stderr' }).child({
    host: config.hostId,
  });
  yieldToOthers();
  await runProcess(
    'weft-agent',
    async (fail) => {
      const { components, services } = await composeAgent(config, log, fail);
      const descriptors = await readDescriptors();
      return [
        telemetry({
          service: 'weft-agent',
          instance: config.hostId,
          otlpEndpoints: config.otlpEndpoint,
          ...(config.metricsListen !== undefined && { metrics: { listen: config.metricsListen } }),
          attributes: { 'weft.host.id': config.hostId },
          log,
        }),
        ...components,
        rpcServer({ name: 'weft-agent', listen: config.listen, services, descriptors, log }),
      ];
    },
    { graceMs: config.graceMs, log },
  );
};

if (import.meta.main) await runMain('weft-agent', async () => runAgent(process.argv.slice(2)));
