import type { Survey } from '../survey.ts';

/** A device of weft's, or all whose names match; with a name that one such device could have. */
export interface DevicePattern {
  readonly pattern: string;
  readonly sample: string;
}

const alike = (prefix: string, rest: string): DevicePattern => ({ pattern: `${prefix}*`, sample: `${prefix}${rest}` });
const named = (name: string): DevicePattern => ({ pattern: name, sample: name });

/** What this host's network managers are to leave alone. */
export const ownDevices = ({ driver, overlays }: Pick<Survey, 'driver' | 'overlays'>): readonly DevicePattern[] => {
  const devices: DevicePattern[] = [alike('tap', '0a1b2c3d-4e')];
  if (driver === 'linuxbridge') devices.push(alike('brq', '0a1b2c3d-4e'), alike('vxlan-', '4097'));
  if (driver === 'ovs') devices.push(named('br-int'));
  if (driver !== 'linuxbridge') devices.push(alike('vxlan_sys_', '4789'), alike('ovs-', 'netdev'));
  for (const { bridge, links } of overlays) {
    devices.push(named(bridge), ...links.flatMap(({ device, peerDevice }) => [named(device), named(peerDevice)]));
  }
  return [...new Map(devices.map((each) => [each.pattern, each])).values()];
};

/** Whether a name matches a shell pattern of `*` and `?` (fnmatch(3), glob(7)); a `[…]` in it stands for itself. */
export const globMatches = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(name);
