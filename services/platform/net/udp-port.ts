import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';

/** A UDP port number, 1 to 65535. */
export type UdpPort = Brand<number, 'UdpPort'>;

/** Throws `invalid` for anything but an integer from 1 to 65535. */
export const parseUdpPort = (field: string, value: number): UdpPort => {
  if (!Number.isInteger(value) || value < 1 || value > 65_535) {
    throw invalidField(field, value, 'is not a UDP port from 1 to 65535');
  }
  return value as UdpPort;
};

/** The port IANA gave VXLAN; Linux' own default of 8472 is older. */
export const VXLAN_PORT = 4789 as UdpPort;
