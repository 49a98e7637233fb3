import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { libvirtService } from './api/libvirt-service.ts';
import type { AgentConfig } from './config.ts';
import { readBridges } from './libvirt/bridges.ts';
import { Machines } from './libvirt/machines.ts';
import type { MeshNetworks } from './libvirt/mesh.ts';
import { LibvirtNetworks } from './libvirt/networks.ts';
import type { MachineCard } from './libvirt/observed.ts';
import { LibvirtStore } from './libvirt/store.ts';
import { Virsh } from './libvirt/virsh.ts';
import type { StateFiles } from './model/state-files.ts';
import type { VswitchDatabase } from './protocols/ovsdb/vswitch-database.ts';
import type { DeviceFacts } from './reconcile/device.ts';
import type { EventLog } from './reconcile/event-log.ts';
import { HostCommands } from './sys/command.ts';
import { ownFiles } from './sys/host-files.ts';

/** What libvirt's networks and machines share with the rest of the agent, all of it somebody else's to close. */
export interface LibvirtShares {
  readonly database: VswitchDatabase;
  readonly files: StateFiles;
  readonly events: EventLog;
  /** Of an agent that does not stand alone. */
  readonly mesh?: {
    readonly networks: MeshNetworks;
    readonly learn: (facts: ReadonlyMap<string, DeviceFacts>) => void;
  };
}

/** The sockets of libvirtd, and of the daemon that has its place where libvirt is several. */
const SOCKETS = ['libvirt-sock', 'virtqemud-sock'];

/** libvirt of this host: `records` starts before the networks of the mesh are looked at, the others after. */
export const composeLibvirt = (
  config: AgentConfig,
  { database, files, events, mesh }: LibvirtShares,
  log: Log,
): { readonly records: Component; readonly components: readonly Component[]; readonly service: RpcService } => {
  const commands = new HostCommands();
  const virsh = new Virsh(commands);
  const isThere = async (): Promise<boolean> =>
    (await ownFiles.list(config.libvirtRunDir)).some((path) => SOCKETS.some((name) => path.endsWith(`/${name}`)));
  const onLook = (cards: readonly MachineCard[]): void => {
    mesh?.learn(factsOf(cards, (name) => networks.meshNetworkOf(name)));
  };
  const { auditIntervalMs } = config;
  const machines = new Machines({
    virsh,
    isThere,
    onLook,
    onBack: () => networks.auditSoon(),
    events,
    log,
    auditIntervalMs,
  });
  const networks = new LibvirtNetworks({
    ...{ virsh, machines, isThere, events, log, auditIntervalMs, mesh: mesh?.networks },
    bridges: async (signal) => readBridges(commands, database.replica, signal),
    store: new LibvirtStore(files, config.stateDir, log),
  });
  const records: Component = {
    name: 'libvirt-records',
    start: async () => networks.load(),
    stop: async () => Promise.resolve(),
  };
  return { records, components: [networks, machines], service: libvirtService(networks) };
};

const factsOf = (
  cards: readonly MachineCard[],
  meshNetworkOf: (network: string) => string | undefined,
): ReadonlyMap<string, DeviceFacts> =>
  new Map(
    cards.map(({ device, mac, network, domainUuid }) => {
      const networkId = network === undefined ? undefined : meshNetworkOf(network);
      return [device, { mac, vmId: domainUuid, ...(networkId !== undefined && { networkId }) }];
    }),
  );
