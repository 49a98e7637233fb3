import { overlayAlias } from '../../overlay/model/names.ts';
import { deviceNames } from '../model/devices.ts';
import type { Persistent } from '../model/devices.ts';
import { headerOf } from './header.ts';
import { renderIni } from './ini.ts';
import { SYSTEMD_NETWORK } from './networkd.ts';
import type { ConfigText } from './writer.ts';

/** Where NetworkManager reads its settings, beside the profiles. */
export const NETWORK_MANAGER_SETTINGS = '/etc/NetworkManager/conf.d';

/**
 * What udev does to the ends of an overlay's veth pairs when they come up, whoever makes them (systemd.link(5)): the mark by
 * which the agent knows them as its own, which neither NetworkManager nor networkd can set, and checksums.
 */
export const linkFiles = (persistent: Persistent): readonly ConfigText[] => {
  if (!persistent.isOverlay) return [];
  const ends = persistent.devices.flatMap((device) => (device.kind === 'veth' ? device.ends : []));
  return ends.map(({ name, softwareChecksum }) => ({
    path: `${SYSTEMD_NETWORK}/05-weft-${persistent.owner}-${name}.link`,
    mode: 0o644,
    text: renderIni(headerOf(persistent.owner), [
      ['Match', { OriginalName: name }],
      [
        'Link',
        {
          Alias: overlayAlias(persistent.owner),
          ...(softwareChecksum && { TransmitChecksumOffload: 'no' }),
          MACAddressPolicy: 'none',
        },
      ],
    ]),
  }));
};

/** Tells NetworkManager to leave devices alone that others keep (NetworkManager.conf(5)). */
export const unmanagedFile = (persistent: Persistent): ConfigText => ({
  path: `${NETWORK_MANAGER_SETTINGS}/90-weft-${persistent.owner}.conf`,
  mode: 0o644,
  text: renderIni(headerOf(persistent.owner), [
    [
      'keyfile',
      {
        'unmanaged-devices+': deviceNames(persistent)
          .map((name) => `interface-name:=${name}`)
          .join(','),
      },
    ],
  ]),
});
