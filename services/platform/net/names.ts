import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';
import type { Vni } from './vni.ts';

/** A lower-case UUID with hyphens, any version: the id of a resource. */
export type Uuid = Brand<string, 'Uuid'>;
/** The id of a host: 1 to 63 of `A-Za-z0-9._-`, no empty part between dots. Case matters. */
export type HostId = Brand<string, 'HostId'>;
/** What people call a resource; free text, may be empty, not unique. */
export type ResourceName = Brand<string, 'ResourceName'>;
/** Keys and values that people attach to a resource, keys in order, so that equal labels have equal JSON. */
export type Labels = Brand<Readonly<Record<string, string>>, 'Labels'>;

/** The name of a physical network: 1 to 63 letters, digits, `.`, `_` or `-`, a letter or digit at both ends. */
export type PhysicalNetwork = Brand<string, 'PhysicalNetwork'>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HOST_ID = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,61}[A-Za-z0-9]$|^[A-Za-z0-9]$/;
const LABEL_KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const PHYSICAL_NETWORK = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
// Control characters, and the two separators that end a line in a terminal or a log viewer.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u;

const MAX_NAME = 255;
const MAX_LABELS = 64;

/** Reads a UUID in any case. Throws `invalid`. */
export const parseUuid = (field: string, text: string): Uuid => {
  const uuid = text.length === 36 ? text.toLowerCase() : text;
  if (!UUID.test(uuid)) throw invalidField(field, text, 'is not a UUID');
  return uuid as Uuid;
};

/** Throws `invalid` for what is not a `HostId`. Ids may hold dots: they are more than one token of a NATS subject. */
export const parseHostId = (field: string, text: string): HostId => {
  if (!HOST_ID.test(text)) {
    throw invalidField(
      field,
      text,
      'is not a host id: 1 to 63 letters, digits, ".", "_" or "-", a letter or digit at both ends',
    );
  }
  return text as HostId;
};

/** Throws `invalid` for what is not the name of a physical network. */
export const parsePhysicalNetwork = (field: string, text: string): PhysicalNetwork => {
  if (!PHYSICAL_NETWORK.test(text)) {
    throw invalidField(field, text, 'is not a physical network: 1 to 63 letters, digits, ".", "_" or "-"');
  }
  return text as PhysicalNetwork;
};

/** Reads the name of a resource: at most 255 characters, none that moves a terminal's cursor. Throws `invalid`. */
export const parseName = (field: string, text: string): ResourceName => {
  checkText(field, text);
  return text as ResourceName;
};

/** Reads at most 64 labels: keys as host ids plus "/", values as names. Throws `invalid` for the first that is not. */
export const parseLabels = (field: string, labels: Readonly<Record<string, string>>): Labels => {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length > MAX_LABELS) {
    throw invalidField(field, `${entries.length.toString()} labels`, `is more than ${MAX_LABELS.toString()}`);
  }
  for (const [key, value] of entries) {
    if (!LABEL_KEY.test(key)) {
      throw invalidField(field, key, 'is not a label key: 1 to 63 letters, digits, ".", "_", "/" or "-"');
    }
    checkText(`${field}[${key}]`, value);
  }
  return Object.freeze(Object.fromEntries(entries)) as Labels;
};

const checkText = (field: string, text: string): void => {
  // Code points, not UTF-16 units; the first test keeps a huge text from being spread out.
  if (text.length > 2 * MAX_NAME || Array.from(text).length > MAX_NAME) {
    throw invalidField(field, text, `is longer than ${MAX_NAME.toString()} characters`);
  }
  if (UNPRINTABLE.test(text)) throw invalidField(field, text, 'has control characters');
  if (!text.isWellFormed()) throw invalidField(field, text, 'is not well-formed Unicode');
};

/** A network device's name that the kernel takes and that stands in an `ip -batch` line as it is. */
export type DeviceName = Brand<string, 'DeviceName'>;

// Printable ASCII but for what the kernel refuses (`/`, `:`), what it expands (`%`) and what iproute2's batch reader
// gives a meaning (quotes, backslash, `#`). Other bytes are out because the kernel reads 0xa0 in UTF-8 as a space.
// A leading `-` would be read as an option.
const DEVICE_NAME = /^(?!-)[!$&(-.0-9;-[\]-~]{1,15}$/;
// `net.ipv4.conf.all` and `.default` are taken; `.` and `..` are not files in /sys/class/net.
const RESERVED = new Set(['.', '..', 'all', 'default']);

/** Throws `invalid` for what is not the name of a network device (IFNAMSIZ: at most 15 bytes). */
export const parseDeviceName = (field: string, text: string): DeviceName => {
  if (RESERVED.has(text)) throw invalidField(field, text, 'is a name the kernel keeps for itself');
  if (!DEVICE_NAME.test(text)) {
    throw invalidField(
      field,
      text,
      'is not a device name: 1 to 15 printable ASCII characters, no space, quote or any of / : % # \\, no "-" in front',
    );
  }
  return text as DeviceName;
};

/** The Linux bridge of a network, as Neutron names it. */
export const bridgeName = (networkId: Uuid): DeviceName => `brq${networkId.slice(0, 11)}` as DeviceName;

/** The tap device of a port, as Nova and libvirt name it. */
export const tapName = (portId: Uuid): DeviceName => `tap${portId.slice(0, 11)}` as DeviceName;

/** The VXLAN device of a network, as Neutron names it. */
export const vxlanName = (vni: Vni): DeviceName => `vxlan-${vni.toString()}` as DeviceName;
