import { numberToIpv4 } from '#platform/net/ipv4-text.ts';
import { groupsToIpv6 } from '#platform/net/ipv6-text.ts';
import type { Field } from './fields.ts';
import { OFPP } from './flow.ts';
import type { CanonicalField } from './flow.ts';

/** The name of a port that has none in OpenFlow, by its number. */
export type PortName = (port: number) => string;

/** As ovs-ofctl(8) takes it in a match and in `set_field`. */
export const formatValue = (oxm: CanonicalField, portName?: PortName): string => {
  const { field, value, mask } = oxm;
  switch (field.text) {
    case 'decimal':
      return mask === undefined ? value.toString() : formatHex(oxm);
    case 'hex':
      return formatHex(oxm);
    case 'port':
      return formatPort(Number(value), portName);
    case 'mac':
      return mask === undefined ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`;
    case 'ipv4':
      return mask === undefined ? formatIpv4(value) : `${formatIpv4(value)}/${prefixOr(formatIpv4, field, mask)}`;
    case 'ipv6':
      return mask === undefined ? formatIpv6(value) : `${formatIpv6(value)}/${prefixOr(formatIpv6, field, mask)}`;
  }
};

/** A value and its mask, in hexadecimal digits whatever the field. */
export const formatHex = ({ value, mask }: Pick<CanonicalField, 'value' | 'mask'>): string =>
  mask === undefined ? `0x${value.toString(16)}` : `0x${value.toString(16)}/0x${mask.toString(16)}`;

const RESERVED: ReadonlyMap<number, string> = new Map(Object.entries(OFPP).map(([name, port]) => [port, name]));

/** The name of a port that OpenFlow reserves, such as `IN_PORT`; undefined for others. */
export const reservedPort = (port: number): string | undefined => RESERVED.get(port);

/** A port by name or number. */
export const formatPort = (port: number, portName?: PortName): string =>
  reservedPort(port) ?? portName?.(port) ?? port.toString();

const formatMac = (value: bigint): string => (value.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');

const formatIpv4 = (value: bigint): string => numberToIpv4(Number(value));

const formatIpv6 = (value: bigint): string =>
  groupsToIpv6(Array.from({ length: 8 }, (_, group) => Number((value >> BigInt(112 - 16 * group)) & 0xffffn)));

/** The length of a prefix, or a mask that is none in full. */
const prefixOr = (format: (value: bigint) => string, { bits, full }: Field, mask: bigint): string => {
  const length = mask.toString(2).replace(/0+$/, '').length;
  const rest = BigInt(bits - length);
  return mask === (full >> rest) << rest ? length.toString() : format(mask);
};
