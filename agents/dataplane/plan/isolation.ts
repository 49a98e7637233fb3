/** The settings that keep a host's own IP stack off a device of guests, by name without the device. */
const ISOLATION: readonly { readonly path: string; readonly value: string }[] = [
  // A guest's router advertisement must not give the host an address, nor reach it by one.
  { path: 'net.ipv6.conf', value: 'disable_ipv6=1' },
  // The host answers ARP for all its addresses on every device, and takes packets for them from anywhere, unless told.
  { path: 'net.ipv4.conf', value: 'arp_ignore=8' },
  { path: 'net.ipv4.conf', value: 'rp_filter=1' },
];

/** As the kernel has them where nobody has set any. */
const OPEN = ['net.ipv6.conf disable_ipv6=0', 'net.ipv4.conf arp_ignore=0'];

/** Undoes the isolation of one device, as `name=value`. */
export const openingOf = (device: string): readonly string[] =>
  OPEN.map((setting) => setting.replace(' ', `.${device.replaceAll('.', '/')}.`));

/** The isolation settings of one device as `name=value`; a dot of its name is a slash there, as sysctl(8) has it. */
export const isolationOf = (device: string): readonly string[] =>
  ISOLATION.map(({ path, value }) => `${path}.${device.replaceAll('.', '/')}.${value}`);
