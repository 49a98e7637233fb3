import type { NetworkFacts } from '../../model/intent.ts';
import type { UplinkSettings } from '../../model/uplinks.ts';
import { uplinkRefusal } from '../../plan/uplink.ts';
import type { AddressMoves } from '../../sys/address-moves.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { readInterface } from '../../sys/interfaces.ts';
import { devicesOf } from './devices.ts';

/** IFNAMSIZ less the byte that ends it. */
const MAX_NAME = 15;

/** What speaks against a network on a physical network, on this host as it is now. */
export const findRefusal = async (
  tools: { readonly commands: CommandRunner; readonly settings: UplinkSettings; readonly moves: AddressMoves },
  network: NetworkFacts,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { provider } = network;
  if (provider === undefined) return undefined;
  const { commands, settings, moves } = tools;
  const { hostId, movesAddresses } = settings;
  const complaint = moves.complaintOf(provider.device);
  if (complaint !== undefined) return complaint;
  const { bridge, uplink } = devicesOf(network);
  const request = { hostId, network, provider, bridge, isTaken: provider.vlan === undefined, movesAddresses };
  const refusal = uplinkRefusal(request, await readInterface(commands, provider.device, signal));
  if (refusal !== undefined || provider.vlan === undefined) return refusal;
  if (uplink.length > MAX_NAME) {
    return `${uplink}, the interface of VLAN ${provider.vlan.toString()} of ${provider.physicalNetwork} on host ${hostId}, would have more than the 15 characters that the kernel takes; give ${provider.device} a shorter name`;
  }
  return (await hasVlans(commands, signal))
    ? undefined
    : `the kernel of host ${hostId} has no VLANs (802.1Q), which network ${network.networkId} needs on Linux bridges; load them: modprobe 8021q`;
};

/** The loopback takes no VLAN, so this changes nothing; what is said against it tells whether the kernel knows them. */
const hasVlans = async (commands: CommandRunner, signal: AbortSignal): Promise<boolean> => {
  const trial = ['ip', 'link', 'add', 'link', 'lo', 'name', 'weft-vlan', 'type', 'vlan', 'id', '1'];
  const { stderr } = await commands.run(trial, signal);
  return !stderr.includes('Unknown device type');
};
