import type { OverlayView } from '../overlay/overlays.ts';
import type { Persistent } from './model/devices.ts';
import { devicesOfOverlay } from './model/from-overlay.ts';
import { parseDevices, refuseTwice } from './model/parse.ts';
import type { DeviceSetText } from './model/parse.ts';
import type { PersistenceRecord } from './store.ts';
import { linkFiles, unmanagedFiles } from './writers/extras.ts';
import { WRITERS } from './writers/index.ts';
import type { ConfigText, LeftOut, Rendered } from './writers/writer.ts';

/** No devices. */
export const NO_DEVICES: DeviceSetText = { bridges: [], vxlans: [], veths: [], nics: [] };

/** What one owner's files are to be. */
export interface Desired {
  readonly record: PersistenceRecord;
  readonly persistent: Persistent;
  readonly rendered: Rendered;
  /** What udev does to devices, whatever the format. */
  readonly links: readonly ConfigText[];
  /** For where NetworkManager is there and does not keep the devices. */
  readonly unmanaged: readonly ConfigText[];
  /** Devices that were asked for by name and that the format has no words for. */
  readonly unsupported: readonly LeftOut[];
  /** Equal where all of the above is. */
  readonly fingerprint: string;
}

/** What was asked for, with the overlay as it is now. Throws `invalid` where the two do not go together. */
export const desiredOf = (record: PersistenceRecord, overlay: OverlayView | undefined): Desired => {
  const ovsBridges = new Set<string>(overlay === undefined ? [] : [overlay.spec.bridge]);
  const asked = parseDevices(record.devices, { ovsBridges });
  const own =
    overlay === undefined
      ? []
      : devicesOfOverlay(overlay.spec, {
          ...(overlay.mtu !== undefined && { mtu: overlay.mtu }),
          ...(overlay.status.datapathType !== undefined && { datapathType: overlay.status.datapathType }),
        });
  const persistent: Persistent = { owner: record.name, isOverlay: record.isOverlay, devices: [...own, ...asked] };
  refuseTwice(persistent.devices);
  const writer = WRITERS[record.format];
  const rendered = writer.render(persistent);
  const links = linkFiles(persistent);
  const unmanaged = unmanagedFiles(persistent);
  return {
    ...{ record, persistent, rendered, links, unmanaged },
    unsupported: writer.render({ ...persistent, devices: asked }).leftOut,
    fingerprint: JSON.stringify([rendered.files, links, unmanaged]),
  };
};
