import type { MacAddress } from '#platform/net/mac-address.ts';

/** The first half of what is given out: the base that OpenStack made customary, locally administered. */
export const MAC_BASE = 'fa:16:3e';

/** An address of the base; `random` is in [0, 1), e.g. `Math.random`. */
export const randomMac = (random: () => number): MacAddress => {
  const digits = Math.floor(random() * 0x1_00_00_00)
    .toString(16)
    .padStart(6, '0');
  return `${MAC_BASE}:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}` as MacAddress;
};
