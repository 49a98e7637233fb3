import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { overlayService } from './api/overlay-service.ts';
import type { AgentConfig } from './config.ts';
import type { StateFiles } from './model/state-files.ts';
import { Overlays } from './overlay/overlays.ts';
import { OverlayStore } from './overlay/store.ts';
import { OvsSwitch } from './overlay/switch.ts';
import { VswitchDatabase } from './protocols/ovsdb/vswitch-database.ts';
import type { EventLog } from './reconcile/event-log.ts';
import { HostCommands } from './sys/command.ts';
import { dialUnix } from './sys/stream-socket.ts';

const databaseSocket = ({ ovsRunDir }: AgentConfig): string => `${ovsRunDir}/db.sock`;

/** Open vSwitch' database, and what connects to it and ends the connection. */
export const composeSwitch = (
  config: AgentConfig,
): { readonly database: VswitchDatabase; readonly component: Component } => {
  const database = new VswitchDatabase({ dial: dialUnix, path: databaseSocket(config) });
  const component: Component = {
    name: 'ovsdb',
    start: async () => {
      database.start();
      return Promise.resolve();
    },
    stop: async () => database.stop(),
  };
  return { database, component };
};

/** What overlays share with the rest of the agent, all of it somebody else's to close. */
export interface OverlayShares {
  /** Connects before the overlays start. */
  readonly database: VswitchDatabase;
  readonly files: StateFiles;
  readonly events: EventLog;
}

/** The overlays that need no control plane, and the service before them. */
export const composeOverlays = (
  config: AgentConfig,
  { database, files, events }: OverlayShares,
  log: Log,
): { readonly component: Overlays; readonly service: RpcService } => {
  const overlays = new Overlays({
    ovs: new OvsSwitch(database, databaseSocket(config)),
    commands: new HostCommands(),
    store: new OverlayStore(files, log),
    events,
    log,
    datapath: config.ovsDatapath,
    auditIntervalMs: config.auditIntervalMs,
  });
  return { component: overlays, service: overlayService(overlays, events) };
};
