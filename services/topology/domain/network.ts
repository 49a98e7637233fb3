import { type DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { Mtu } from '#platform/net/mtu.ts';
import { type Labels, parsePhysicalNetwork, type ResourceName, type Uuid } from '#platform/net/names.ts';
import type { Lifetime, Markable } from './lifetime.ts';

/** How a network's frames travel between hosts. */
export type NetworkType = 'vxlan' | 'flat' | 'vlan';

/** What may be changed of a network. */
export interface NetworkSettings {
  readonly name: ResourceName;
  readonly mtu: Mtu;
  readonly adminStateUp: boolean;
  readonly autoPorts: boolean;
  readonly portSecurityEnabled: boolean;
  /** Said by those who give networks to others; weft knows no tenants. */
  readonly shared: boolean;
  /** Whether routers may have their gateway on it, and floating IPs be taken from it. */
  readonly external: boolean;
  readonly labels: Labels;
}

/** Where a network's frames travel. */
export interface Segment {
  readonly type: NetworkType;
  /** VNI or VLAN ID; 0 of a flat network, and of a wish that leaves the choice to IPAM. */
  readonly segmentationId: number;
  /** Of flat and vlan; empty otherwise. */
  readonly physicalNetwork: string;
}

/** A layer-2 network. */
export interface Network extends NetworkSettings, Segment, Lifetime, Markable {
  readonly id: Uuid;
}

const MAX_ID: Readonly<Record<NetworkType, number>> = { vxlan: 16_777_215, flat: 0, vlan: 4_094 };

/** Checks that the parts of a segment belong together. Throws `invalid`. */
export const checkSegment = ({ type, segmentationId, physicalNetwork }: Segment): void => {
  if (segmentationId > MAX_ID[type]) throw tooHigh(type, segmentationId);
  if (type === 'vxlan') {
    if (physicalNetwork !== '') {
      throw invalidField('network.physical_network', physicalNetwork, 'does not go with a VXLAN network');
    }
    return;
  }
  if (physicalNetwork === '') {
    throw invalidField('network.physical_network', physicalNetwork, `is required of a ${type} network`);
  }
  parsePhysicalNetwork('network.physical_network', physicalNetwork);
};

const tooHigh = (type: NetworkType, id: number): DomainError =>
  invalidField(
    'network.segmentation_id',
    id,
    type === 'flat'
      ? 'does not go with a flat network, which has no segmentation id'
      : `is more than ${MAX_ID[type].toString()}`,
  );
