import type { Vni } from '#platform/net/vni.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { NetworkDescription } from '../model/control-plane.ts';
import type { NetworkFacts } from '../model/intent.ts';
import type { HostLimits } from './refusal.ts';

/** The lowest number of a network without a VNI: above all VNIs, below what marks other flows (drivers/ovs/pipeline.ts). */
const FIRST_NUMBER = 0x4000_0000;

/**
 * The number that stands for a VNI where a network has none: the first 30 bits of its id, so that every start of every agent
 * finds the same.
 */
const numberOf = (networkId: Uuid): Vni =>
  (FIRST_NUMBER | (Number.parseInt(networkId.slice(0, 8), 16) & (FIRST_NUMBER - 1))) as Vni;

/** Whether a number is one of those that stand for VNIs. */
export const isNumberWithoutVni = (number: number): boolean => number >= FIRST_NUMBER && number < 2 * FIRST_NUMBER;

/** What this host needs to know of a network that it can serve: `refusalOf` has said so. Throws `invalid` for a bad VNI. */
export const networkFacts = (networkId: Uuid, network: NetworkDescription, limits: HostLimits): NetworkFacts => {
  const { networkType, segmentationId, physicalNetwork, mtu } = network;
  if (networkType === 'vxlan') return { networkId, vni: limits.parseVni(segmentationId), mtu };
  return {
    networkId,
    vni: numberOf(networkId),
    mtu,
    provider: {
      physicalNetwork,
      device: limits.mappings.get(physicalNetwork) ?? '',
      ...(networkType === 'vlan' && { vlan: segmentationId }),
    },
  };
};

/** Whether two say the same of how a network's frames travel, and of their size. */
export const sameFacts = (a: NetworkFacts, b: NetworkFacts): boolean =>
  a.mtu === b.mtu &&
  a.vni === b.vni &&
  a.provider?.device === b.provider?.device &&
  a.provider?.physicalNetwork === b.provider?.physicalNetwork &&
  a.provider?.vlan === b.provider?.vlan;
