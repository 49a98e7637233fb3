import type { RpcService } from '#platform/rpc/handlers.ts';
import { serverTime } from '#platform/rpc/server-time.ts';
import { hostCheckService } from './api/host-check-service.ts';
import type { AgentConfig } from './config.ts';
import { HostCheck, type HostCheckTools } from './host-check/host-check.ts';
import type { HostSources } from './host-check/look.ts';
import type { Overlays } from './overlay/overlays.ts';
import type { VswitchDatabase } from './protocols/ovsdb/vswitch-database.ts';
import { HostCommands } from './sys/command.ts';
import { ownFiles } from './sys/host-files.ts';
import { ownSysctl } from './sys/sysctl.ts';

/** What the checks share with the rest of the agent, all of it somebody else's to close. */
export interface HostCheckShares {
  readonly database: VswitchDatabase;
  readonly overlays: Overlays;
  /** Absent where the agent stands alone. */
  readonly mesh?: HostSources['mesh'];
}

/** Programs that wait for others, most of them for answers: more at once than the agent's own. */
const AT_ONCE = 16;

/** The service that tells whether the host is fit. */
export const composeHostCheck = (config: AgentConfig, { database, overlays, mesh }: HostCheckShares): RpcService => {
  const commands = new HostCommands([], AT_ONCE);
  const sources: HostSources = {
    integrationBridge: config.ovsBridge,
    datapath: config.ovsDatapath,
    overlays: () => overlays.list(),
    database,
    commands,
    ...(mesh !== undefined && { mesh }),
  };
  const clock: Pick<HostCheckTools, 'clockAhead'> =
    mesh === undefined
      ? {}
      : {
          clockAhead: async (signal) => ({
            address: config.topologyAddress,
            ...(await serverTime(config.topologyAddress, signal)),
          }),
        };
  const tools: HostCheckTools = { commands, sysctl: ownSysctl, files: ownFiles, database, ...clock };
  return hostCheckService(new HostCheck(sources, tools));
};
