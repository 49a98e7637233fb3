import { DomainError } from '#platform/errors/domain-error.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { HostCommands, jsonObjects, outputOf } from './command.ts';
import type { CommandRunner } from './command.ts';

/** The interface that bears a VTEP address. */
export interface Underlay {
  readonly device: string;
  /** Bytes of the largest IP packet that it sends. */
  readonly mtu: number;
}

/** Finds the interface that bears the address. Rejects with `precondition` when none does. */
export const findUnderlay = async (
  address: IpAddress,
  signal: AbortSignal,
  commands: CommandRunner = new HostCommands(),
): Promise<Underlay> => {
  const command = ['ip', '-json', 'addr', 'show'];
  for (const link of jsonObjects(command.join(' '), await outputOf(commands, command, signal))) {
    const { ifname: device, mtu, addr_info: addresses } = link;
    if (typeof device !== 'string' || typeof mtu !== 'number' || !Array.isArray(addresses)) continue;
    if (addresses.some((each: unknown) => isAddress(each, address))) return { device, mtu };
  }
  throw new DomainError('precondition', 'NO_UNDERLAY', `no interface of this host bears the VTEP address ${address}`, {
    details: { vtep_address: address },
  });
};

const isAddress = (info: unknown, address: IpAddress): boolean => {
  if (typeof info !== 'object' || info === null || !('local' in info) || typeof info.local !== 'string') return false;
  try {
    return parseIp('local', info.local) === address;
  } catch {
    return false;
  }
};
