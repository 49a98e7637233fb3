import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';
import type { Uuid } from './names.ts';
import type { Vni } from './vni.ts';

/** A network device's name that the kernel takes and that stands in an `ip -batch` line as it is. */
export type DeviceName = Brand<string, 'DeviceName'>;

// Printable ASCII but for what the kernel refuses (`/`, `:`), what it expands (`%`) and what iproute2's batch reader
// gives a meaning (quotes, backslash, `#`). Other bytes are out because the kernel reads 0xa0 in UTF-8 as a space.
// A leading `-` would be read as an option.
const DEVICE_NAME = /^(?!-)[!$&(-.0-9;-~]{1,15}$/;
// `net.ipv4.conf.all` and `.default` are taken; `.` and `..` are not files in /sys/class/net.
const RESERVED = new Set(['.', '..', 'all', 'default']);

/** Throws `invalid` for what is not the name of a network device (IFNAMSIZ: at most 15 bytes). */
export const parseDeviceName = (field: string, text: string): DeviceName => {
  if (RESERVED.has(text)) throw invalidField(field, text, 'is a name the kernel keeps for itself');
  if (!DEVICE_NAME.test(text) || text.includes('\\')) {
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
