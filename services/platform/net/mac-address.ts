import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';

/** A unicast Ethernet address, not all zero, as `fa:16:3e:00:00:01`: lower case, colons. Equal addresses are equal strings. */
export type MacAddress = Brand<string, 'MacAddress'>;

const SHAPE = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
const HYPHENATED = /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/;
const GROUP_BIT = 1;

/**
 * Reads a MAC address in any case, with colons or (IEEE 802) hyphens. Throws `invalid` for what is malformed, multicast,
 * broadcast or all zero: the kernel refuses those as the address of a station, and all zero marks a flood entry there.
 */
export const parseMac = (field: string, text: string): MacAddress => {
  const mac = canonicalShape(text);
  if (mac === undefined) throw invalidField(field, text, 'is not a MAC address such as fa:16:3e:00:00:01');
  if (mac === '00:00:00:00:00:00') throw invalidField(field, text, 'is the all-zero MAC address, which no station has');
  if ((Number.parseInt(mac.slice(0, 2), 16) & GROUP_BIT) !== 0) {
    throw invalidField(field, text, 'is a multicast or broadcast MAC address, which no station has');
  }
  return mac as MacAddress;
};

const canonicalShape = (text: string): string | undefined => {
  if (SHAPE.test(text)) return text;
  if (text.length !== 17) return undefined;
  const lower = text.toLowerCase();
  if (SHAPE.test(lower)) return lower;
  return HYPHENATED.test(lower) ? lower.replaceAll('-', ':') : undefined;
};
