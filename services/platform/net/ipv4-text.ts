const DOT = 46;
const ZERO = 48;

/**
 * The 32 bits of a dotted quad; undefined when it is none. Octets with leading zeros are none: some read them as octal.
 * By hand, because every forwarding entry passes here.
 */
export const ipv4ToNumber = (text: string): number | undefined => {
  const { length } = text;
  if (length < 7 || length > 15) return undefined;
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (octet === -1) return undefined;
      address = address * 256 + octet;
      octet = -1;
      dots += 1;
    } else {
      const digit = code - ZERO;
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet === -1 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && octet !== -1 ? address * 256 + octet : undefined;
};

/** The dotted quad of an unsigned 32-bit number. */
export const numberToIpv4 = (bits: number): string =>
  `${(bits >>> 24).toString()}.${((bits >>> 16) & 255).toString()}.${((bits >>> 8) & 255).toString()}.${(bits & 255).toString()}`;
