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
  const ends = persistent.devices.flatMap((each) => (each.kind === 'veth' && each.isMarked ? each.ends : []));
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

/** Tells NetworkManager to leave devices alone that others keep (NetworkManager.conf(5)); nothing where there are none. */
export const unmanagedFiles = (persistent: Persistent): readonly ConfigText[] => {
  const devices = deviceNames(persistent).map((name) => `interface-name:=${name}`);
  if (devices.length === 0) return [];
  // After all others: one of them that says `unmanaged-devices=` would take back what was added before it.
  const path = `${NETWORK_MANAGER_SETTINGS}/zz-weft-${persistent.owner}.conf`;
  const sections = [['keyfile', { 'unmanaged-devices+': devices.join(',') }]] as const;
  return [{ path, mode: 0o644, text: renderIni(headerOf(persistent.owner), sections) }];
};
