import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from '#platform/net/brand.ts';
import type { DeviceName } from '#platform/net/names.ts';

/** What an overlay is called on this host; also part of a file's name and of the marks on what was made for it. */
export type OverlayName = Brand<string, 'OverlayName'>;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** Narrower than what the kernel takes, so that every command about a device can be pasted into a shell as it is. */
const DEVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;
// `all` and `default` are taken in net.ipv4.conf; the others by the kernel and by Open vSwitch' datapaths.
const RESERVED = new Set(['all', 'default', 'lo', 'ovs-netdev', 'ovs-system']);

/** Throws `invalid` for what is not the name of an overlay. */
export const parseOverlayName = (field: string, text: string): OverlayName => {
  if (!NAME.test(text)) {
    throw invalidField(
      field,
      text,
      'is not the name of an overlay: 1 to 63 letters, digits, ".", "_" or "-", a letter or digit in front',
    );
  }
  return text as OverlayName;
};

/** Throws `invalid` for what is not the name of a device of an overlay. */
export const parseOverlayDevice = (field: string, text: string): DeviceName => {
  if (RESERVED.has(text)) throw invalidField(field, text, 'is a name that is taken on every host');
  if (!DEVICE.test(text)) {
    throw invalidField(
      field,
      text,
      'is not a device name: 1 to 15 letters, digits, ".", "_" or "-", a letter, digit or "_" in front',
    );
  }
  // What this takes is a part of what the kernel and Open vSwitch take.
  return text as DeviceName;
};

const ALIAS = 'weft:overlay:';

/** The link alias of a device that was made for an overlay: how a fresh agent knows that it is ours. */
export const overlayAlias = (name: OverlayName): string => `${ALIAS}${name}`;

/** The overlay that a link alias names, undefined when it is not such a mark. */
export const overlayOfAlias = (alias: string | undefined): string | undefined =>
  alias?.startsWith(ALIAS) === true ? alias.slice(ALIAS.length) : undefined;

/** The key of `external_ids` under which Open vSwitch' bridges and ports say for which overlay they were made. */
export const OVERLAY_ID = 'weft-overlay';
