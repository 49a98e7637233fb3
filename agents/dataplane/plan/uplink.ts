import type { HostInterface } from '../model/interface.ts';
import type { NetworkFacts, ProviderSegment } from '../model/intent.ts';

/** Where an interface is asked to lead a network to its physical network. */
export interface UplinkRequest {
  readonly hostId: string;
  readonly network: NetworkFacts;
  readonly provider: ProviderSegment;
  /** The bridge that it is to be in, or is in already. */
  readonly bridge: string;
  /** Whether it is put into the bridge itself, and its addresses with that are cut off. */
  readonly isTaken: boolean;
  readonly movesAddresses: boolean;
}

/** Why an interface cannot lead a network to its physical network as it is now; undefined when it can. */
export const uplinkRefusal = (request: UplinkRequest, found: HostInterface | undefined): string | undefined => {
  const { hostId, network, provider, bridge, isTaken, movesAddresses } = request;
  const { device, physicalNetwork } = provider;
  if (found === undefined) {
    return `host ${hostId} has no interface ${device}, which its --bridge-mappings names for physical network ${physicalNetwork}`;
  }
  if (network.mtu > found.mtu) {
    return `network MTU ${network.mtu.toString()} is more than the ${found.mtu.toString()} of ${device} on host ${hostId}`;
  }
  if (!isTaken || found.master === bridge) return undefined;
  if (found.master !== undefined) {
    return `interface ${device} of host ${hostId} is in ${found.master} already; take it out, or map another`;
  }
  const [own] = found.addresses;
  if (own === undefined || movesAddresses) return undefined;
  return (
    `interface ${device} of host ${hostId} carries the host's own address ${own.address}, which would be cut off; move it ` +
    'elsewhere, map another interface, or let the agent move it to the bridge (--move-addresses)'
  );
};
