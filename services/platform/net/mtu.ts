import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';
import type { IpVersion } from './ip-address.ts';

/** Bytes of the largest IP packet on a link, 68 (RFC 791) to 65535. */
export type Mtu = Brand<number, 'Mtu'>;

/** Bytes that VXLAN adds, by the version of the outer header: inner Ethernet 14, VXLAN 8, UDP 8, IP 20 or 40. */
export const VXLAN_OVERHEAD: Readonly<Record<IpVersion, number>> = { 4: 50, 6: 70 };

const MIN_MTU = 68;

/** Throws `invalid` for anything but an integer from 68 to 65535. */
export const parseMtu = (field: string, value: number): Mtu => {
  if (!Number.isInteger(value) || value < MIN_MTU || value > 65_535) {
    throw invalidField(field, value, `is not an MTU from ${MIN_MTU.toString()} to 65535`);
  }
  return value as Mtu;
};
