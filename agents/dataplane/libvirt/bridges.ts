import { Bridge } from '../protocols/ovsdb/vswitch-tables.ts';
import type { SwitchRows } from '../overlay/switch-rows.ts';
import { jsonObjects, outputOf } from '../sys/command.ts';
import type { CommandRunner } from '../sys/command.ts';
import type { HostBridges } from './observed.ts';

/** Looks at the bridges of this host. A host without Open vSwitch has none of its kind. */
export const readBridges = async (
  commands: CommandRunner,
  switchRows: SwitchRows,
  signal: AbortSignal,
): Promise<HostBridges> => {
  const argv = ['ip', '-json', '-details', 'link', 'show'];
  const links = jsonObjects(argv.join(' '), await outputOf(commands, argv, signal));
  const devices = new Map<string, number>();
  const kernel = new Set<string>();
  for (const { ifname, mtu, linkinfo } of links) {
    if (typeof ifname !== 'string') continue;
    devices.set(ifname, typeof mtu === 'number' ? mtu : 0);
    if (
      typeof linkinfo === 'object' &&
      linkinfo !== null &&
      'info_kind' in linkinfo &&
      linkinfo.info_kind === 'bridge'
    ) {
      kernel.add(ifname);
    }
  }
  return { openvswitch: new Set([...switchRows.rows(Bridge).values()].map(({ name }) => name)), kernel, devices };
};
