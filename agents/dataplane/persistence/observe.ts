import { jsonObjects, outputOf } from '../sys/command.ts';
import type { CommandRunner } from '../sys/command.ts';
import { observeKernel } from '../overlay/observe.ts';
import type { Switch } from '../overlay/switch.ts';
import type { Persistent } from './model/devices.ts';
import type { Running, VxlanData } from './running.ts';

/** Reads what persistent devices are compared with. Open vSwitch is asked only where one of them is in it, and may be away. */
export const observeRunning = async (
  { devices }: Persistent,
  commands: CommandRunner,
  ovs: Pick<Switch, 'read'>,
  signal: AbortSignal,
): Promise<Running> => {
  const { links } = await observeKernel(commands, { peers: [], narrow: [], offloads: () => false }, signal);
  const needsVxlans = devices.some(({ kind }) => kind === 'vxlan');
  const needsOvs = devices.some(
    (each) => each.kind.startsWith('ovs-') || (each.kind === 'nic' && each.master.kind === 'ovs'),
  );
  return {
    links,
    vxlans: needsVxlans ? await readVxlans(commands, signal) : new Map(),
    ...(needsOvs && { ovs: ovs.read() }),
  };
};

const readVxlans = async (commands: CommandRunner, signal: AbortSignal): Promise<ReadonlyMap<string, VxlanData>> => {
  const argv = ['ip', '-json', '-details', 'link', 'show', 'type', 'vxlan'];
  const vxlans = new Map<string, VxlanData>();
  for (const { ifname, linkinfo } of jsonObjects(argv.join(' '), await outputOf(commands, argv, signal))) {
    const data = isObject(linkinfo) ? linkinfo['info_data'] : undefined;
    if (typeof ifname !== 'string' || !isObject(data)) continue;
    // Of IPv6 the keys bear a 6.
    const [local, remote] = [data['local'] ?? data['local6'], data['remote'] ?? data['remote6']];
    vxlans.set(ifname, {
      ...(typeof data['id'] === 'number' && { id: data['id'] }),
      ...(typeof data['port'] === 'number' && { port: data['port'] }),
      ...(typeof local === 'string' && { local }),
      ...(typeof remote === 'string' && { remote }),
    });
  }
  return vxlans;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
