import { invalidField } from '#platform/errors/domain-error.ts';
import { parseName, parsePhysicalNetwork, parseUuid } from '#platform/net/names.ts';
import { unary } from '#platform/rpc/handlers.ts';
import type { Handlers } from '#platform/rpc/handlers.ts';
import { etagOf } from '#platform/store/etag.ts';
import { pageToken, parsePageSize, parsePageToken } from '#platform/store/paging.ts';
import type { Versioned } from '#platform/store/store.ts';
import {
  AllocateSegmentRequest,
  CreateSegmentRangeRequest,
  DeleteSegmentRangeRequest,
  ReleaseSegmentRequest,
} from '#proto/weft/ipam/v1/ipam.ts';
import type { IpamServiceService, SegmentRange as Message } from '#proto/weft/ipam/v1/ipam.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { SegmentRangeCatalogue } from '../app/segment-ranges.ts';
import type { Segments } from '../app/segments.ts';
import { parseOwner } from '../domain/owner.ts';
import type { SegmentKind, SegmentRange } from '../domain/segment.ts';
import { about } from './about.ts';
import { mutationOf } from './mutation.ts';
import { givenId } from './subnet-messages.ts';

type SegmentHandlers = Pick<
  Handlers<typeof IpamServiceService>,
  | 'createSegmentRange'
  | 'getSegmentRange'
  | 'listSegmentRanges'
  | 'deleteSegmentRange'
  | 'allocateSegment'
  | 'releaseSegment'
>;

/** The segmentation ids' part of the service. */
export const segmentHandlers = (ranges: SegmentRangeCatalogue, segments: Segments): SegmentHandlers => ({
  createSegmentRange: unary(async (request, context) => {
    const message = request.segment_range;
    if (message === undefined) throw invalidField('segment_range', undefined, 'is required');
    const creation = {
      ...mutationOf(CreateSegmentRangeRequest, request, context),
      id: givenId('segment_range.id', message.id),
      name: parseName('segment_range.name', message.name),
      kind: toKind('segment_range.', message),
      minimum: message.minimum,
      maximum: message.maximum,
    };
    return toMessage(await ranges.create(creation, context.signal));
  }),
  getSegmentRange: unary(async ({ id }, { signal }) => toMessage(await ranges.get(parseUuid('id', id), signal))),
  listSegmentRanges: unary(async ({ page_size, page_token }, { method, signal }) => {
    const page = { after: parsePageToken(page_token, method), limit: parsePageSize(page_size) };
    const { items, next } = await ranges.list(page, signal);
    return { segment_ranges: items.map(toMessage), next_page_token: pageToken(next, method) };
  }),
  deleteSegmentRange: unary(async (request, context) => {
    const deletion = {
      ...mutationOf(DeleteSegmentRangeRequest, request, context),
      id: parseUuid('id', request.id),
      etag: request.etag,
    };
    await ranges.delete(deletion, context.signal);
    return {};
  }),
  allocateSegment: unary(async (request, context) => {
    const allocation = {
      ...mutationOf(AllocateSegmentRequest, request, context),
      kind: toKind('', request),
      owner: parseOwner('owner_id', request.owner_id),
      segmentationId: request.segmentation_id === 0 ? undefined : request.segmentation_id,
    };
    about({ network: allocation.owner });
    return { segmentation_id: await segments.allocate(allocation, context.signal) };
  }),
  releaseSegment: unary(async (request, context) => {
    const release = {
      ...mutationOf(ReleaseSegmentRequest, request, context),
      owner: parseOwner('owner_id', request.owner_id),
    };
    about({ network: release.owner });
    await segments.release(release, context.signal);
    return {};
  }),
});

const toKind = (
  prefix: string,
  { network_type, physical_network }: { readonly network_type: NetworkType; readonly physical_network: string },
): SegmentKind => {
  switch (network_type) {
    case NetworkType.NETWORK_TYPE_VXLAN:
      if (physical_network === '') return { type: 'vxlan' };
      throw invalidField(`${prefix}physical_network`, physical_network, 'means nothing to VXLAN');
    case NetworkType.NETWORK_TYPE_VLAN:
      return { type: 'vlan', physicalNetwork: parsePhysicalNetwork(`${prefix}physical_network`, physical_network) };
    case NetworkType.NETWORK_TYPE_FLAT:
    case NetworkType.NETWORK_TYPE_UNSPECIFIED:
    case NetworkType.UNRECOGNIZED:
      throw invalidField(`${prefix}network_type`, network_type, 'has no segmentation ids; VXLAN and VLAN have');
  }
};

const toMessage = ({ value, version }: Versioned<SegmentRange>): Message => ({
  id: value.id,
  name: value.name,
  network_type: value.kind.type === 'vxlan' ? NetworkType.NETWORK_TYPE_VXLAN : NetworkType.NETWORK_TYPE_VLAN,
  physical_network: value.kind.type === 'vxlan' ? '' : value.kind.physicalNetwork,
  minimum: value.minimum,
  maximum: value.maximum,
  etag: etagOf(version),
  create_time: value.createTime,
});
