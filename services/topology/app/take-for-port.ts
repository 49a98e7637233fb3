import { DomainError } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { FixedIp } from '../domain/port.ts';
import type { Earnest, FixedIpWish, Ipam, PortOwner } from './ipam.ts';

/**
 * Takes a MAC address and addresses for a port, at once where that can be: an address that is made of the MAC address
 * (SLAAC) waits for it. Throws what IPAM throws.
 */
export const takeForPort = async (
  ipam: Ipam,
  port: PortOwner,
  wish: { readonly mac?: MacAddress; readonly fixedIps: readonly FixedIpWish[] },
  how: Earnest,
  signal: AbortSignal,
): Promise<{ readonly mac: MacAddress; readonly fixedIps: readonly FixedIp[] }> => {
  const first = ipam.allocateMac(port, wish.mac, how, signal);
  const addresses = async (): Promise<readonly FixedIp[]> => {
    try {
      return await ipam.allocateAddresses(port, wish.fixedIps, how, signal);
    } catch (error) {
      if (!(error instanceof DomainError && error.reason === 'MAC_ADDRESS_REQUIRED')) throw error;
      await first;
      return await ipam.allocateAddresses(port, wish.fixedIps, how, signal);
    }
  };
  const [mac, fixedIps] = await Promise.all([first, addresses()]);
  return { mac, fixedIps };
};
