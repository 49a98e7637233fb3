import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { PhysicalNetwork, ResourceName, Uuid } from '#platform/net/names.ts';
import { MAX_VNI } from '#platform/net/vni.ts';
import { segmentKey } from './lease-key.ts';
import type { KeyRange, Space } from './leasing.ts';

/** Where segmentation ids are unique: all VXLAN networks, or the VLANs of one physical network. */
export type SegmentKind =
  { readonly type: 'vxlan' } | { readonly type: 'vlan'; readonly physicalNetwork: PhysicalNetwork };

/** A range of segmentation ids that networks are given from; both ends included. */
export interface SegmentRange {
  readonly id: Uuid;
  readonly name: ResourceName;
  readonly kind: SegmentKind;
  readonly minimum: number;
  readonly maximum: number;
  /** ISO 8601, UTC. */
  readonly createTime: string;
}

/** The ranges of one kind, in order of creation. */
export interface SegmentRanges {
  readonly ranges: readonly Pick<SegmentRange, 'id' | 'minimum' | 'maximum'>[];
}

const MAX_RANGES = 256;
const MAX_SEGMENT = { vxlan: MAX_VNI, vlan: 4_094 } as const;

/** Throws `invalid` for a number that is no segmentation id of the kind. */
export const checkSegmentId = (field: string, { type }: SegmentKind, id: number): void => {
  if (Number.isInteger(id) && id >= 1 && id <= MAX_SEGMENT[type]) return;
  throw invalidField(
    field,
    id,
    `is not a ${type === 'vxlan' ? 'VNI' : 'VLAN ID'} from 1 to ${MAX_SEGMENT[type].toString()}`,
  );
};

/** Throws `invalid` for a range that is upside down or leaves the kind's numbers. */
export const checkRange = ({ kind, minimum, maximum }: Pick<SegmentRange, 'kind' | 'minimum' | 'maximum'>): void => {
  checkSegmentId('segment_range.minimum', kind, minimum);
  checkSegmentId('segment_range.maximum', kind, maximum);
  if (maximum < minimum) {
    throw invalidField('segment_range.maximum', maximum, `is below the minimum, ${minimum.toString()}`);
  }
};

/** `vxlan`, or `vlan:` and the physical network: the id of the space, and of the record of its ranges. */
export const spaceIdOf = (kind: SegmentKind): string =>
  kind.type === 'vxlan' ? 'vxlan' : `vlan:${kind.physicalNetwork}`;

/** With one more. Throws `invalid` when it overlaps one that is there, `exhausted` when there are too many. */
export const withRange = ({ ranges }: SegmentRanges, { id, minimum, maximum }: SegmentRange): SegmentRanges => {
  const other = ranges.find((range) => range.minimum <= maximum && minimum <= range.maximum);
  if (other !== undefined) {
    throw invalidField(
      'segment_range.minimum',
      minimum,
      `to ${maximum.toString()} overlaps ${other.minimum.toString()} to ${other.maximum.toString()} of range ${other.id}`,
    );
  }
  if (ranges.length >= MAX_RANGES) {
    throw new DomainError('exhausted', 'TOO_MANY_SEGMENT_RANGES', `a type has ${MAX_RANGES.toString()} ranges at most`);
  }
  return { ranges: [...ranges, { id, minimum, maximum }] };
};

/** Without the one of that id. */
export const withoutRange = ({ ranges }: SegmentRanges, id: Uuid): SegmentRanges => ({
  ranges: ranges.filter((range) => range.id !== id),
});

/** The keys of a range of ids. */
export const keysOf = ({ minimum, maximum }: Pick<SegmentRange, 'minimum' | 'maximum'>): KeyRange => ({
  first: segmentKey(minimum),
  last: segmentKey(maximum),
});

/** The space of a kind with these ranges; all VNIs where no range of them has been made. */
export const segmentSpace = (kind: SegmentKind, { ranges }: SegmentRanges): Space => {
  const all = kind.type === 'vxlan' && ranges.length === 0 ? [{ minimum: 1, maximum: MAX_VNI }] : ranges;
  return { id: spaceIdOf(kind), ranges: all.map(keysOf) };
};
