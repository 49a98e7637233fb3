import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { persistenceService } from './api/persistence-service.ts';
import type { AgentConfig } from './config.ts';
import type { OverlayShares } from './compose-overlays.ts';
import type { Overlays } from './overlay/overlays.ts';
import { OvsSwitch } from './overlay/switch.ts';
import { Persistence } from './persistence/persistence.ts';
import { PersistenceStore } from './persistence/store.ts';
import { HostCommands } from './sys/command.ts';
import { ConfigFiles } from './sys/config-files.ts';

/** What keeps overlays across reboots, which starts after them, and the service before it. */
export const composePersistence = (
  config: AgentConfig,
  { database, files, events }: OverlayShares,
  overlays: Overlays,
  log: Log,
): { readonly component: Component; readonly service: RpcService } => {
  const persistence = new Persistence({
    ...{ overlays, events, log },
    ovs: new OvsSwitch(database, `${config.ovsRunDir}/db.sock`),
    commands: new HostCommands(),
    files: new ConfigFiles(),
    store: new PersistenceStore(files, log),
    state: files,
  });
  return { component: persistence, service: persistenceService(persistence) };
};
