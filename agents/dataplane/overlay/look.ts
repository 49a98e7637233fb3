import { contains } from '#platform/net/cidr.ts';
import type { CommandRunner } from '../sys/command.ts';
import { overlayOfAlias } from './model/names.ts';
import type { HostLink, ObservedHost } from './model/observed.ts';
import type { OverlaySpec, OverlayWish } from './model/spec.ts';
import { observeKernel } from './observe.ts';
import type { Switch } from './switch.ts';

/**
 * The host as it is now, as far as these overlays are concerned. A bridge that Open vSwitch' database has and the kernel has
 * no device of is looked for again once ovs-vswitchd has done all it was told: it may just be starting.
 */
export const lookAtHost = async (
  commands: CommandRunner,
  ovs: Switch,
  overlays: readonly (OverlaySpec | OverlayWish)[],
  signal: AbortSignal,
): Promise<ObservedHost> => {
  const look = async (): Promise<ObservedHost> => {
    const database = ovs.read();
    const peers = new Set(overlays.flatMap((overlay) => overlay.peers.map(({ remote }) => remote)));
    const networks = overlays.flatMap(({ addresses }) => addresses.map(({ network }) => network));
    const narrow = [...peers].filter((peer) => networks.some((network) => contains(network, peer)));
    // Ends of ours in Linux bridges; the kernel's datapath fills in checksums by itself.
    const offloads = ({ name, alias }: HostLink): boolean => {
      const overlay = overlayOfAlias(alias);
      if (overlay === undefined || database.ports.has(name)) return false;
      const bridge = [...database.bridges.values()].find((each) => each.overlay === overlay);
      return bridge === undefined || bridge.datapathType === 'netdev';
    };
    return { ...database, ...(await observeKernel(commands, { peers: [...peers], narrow, offloads }, signal)) };
  };
  const observed = await look();
  const isWhole = [...observed.bridges.values()].every(
    ({ name, overlay }) => overlay === undefined || observed.links.has(name),
  );
  if (isWhole) return observed;
  await ovs.settle(signal);
  return await look();
};
