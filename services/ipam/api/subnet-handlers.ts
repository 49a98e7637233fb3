import { parseUuid } from '#platform/net/names.ts';
import { unary } from '#platform/rpc/handlers.ts';
import type { Handlers } from '#platform/rpc/handlers.ts';
import { pageToken, parsePageSize, parsePageToken } from '#platform/store/paging.ts';
import { CreateSubnetRequest, DeleteSubnetRequest, UpdateSubnetRequest } from '#proto/weft/ipam/v1/ipam.ts';
import type { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import type { Subnets } from '../app/subnets.ts';
import { parseSubnetCidr } from '../domain/subnet.ts';
import { mutationOf } from './mutation.ts';
import { givenId, readMode, required, toMessage, toPatch, toWish } from './subnet-messages.ts';

type SubnetHandlers = Pick<
  Handlers<typeof IpamServiceService>,
  'createSubnet' | 'getSubnet' | 'listSubnets' | 'updateSubnet' | 'deleteSubnet'
>;

/** The subnets' part of the service. */
export const subnetHandlers = (subnets: Subnets): SubnetHandlers => ({
  createSubnet: unary(async (request, context) => {
    const message = required(request.subnet);
    const creation = {
      ...mutationOf(CreateSubnetRequest, request, context),
      id: givenId('subnet.id', message.id),
      networkId: parseUuid('subnet.network_id', message.network_id),
      cidr: parseSubnetCidr('subnet.cidr', message.cidr),
      ipv6AddressMode: readMode(message),
      wish: toWish(message),
    };
    return toMessage(await subnets.create(creation, context.signal));
  }),
  getSubnet: unary(async ({ id }, { signal }) => toMessage(await subnets.get(parseUuid('id', id), signal))),
  listSubnets: unary(async ({ network_id, page_size, page_token }, { method, signal }) => {
    const networkId = network_id === '' ? undefined : parseUuid('network_id', network_id);
    const scope = `${method} ${networkId ?? ''}`;
    const page = { after: parsePageToken(page_token, scope), limit: parsePageSize(page_size) };
    const { items, next } = await subnets.list(networkId, page, signal);
    return { subnets: items.map(toMessage), next_page_token: pageToken(next, scope) };
  }),
  updateSubnet: unary(async (request, context) => {
    const message = required(request.subnet);
    const update = {
      ...mutationOf(UpdateSubnetRequest, request, context),
      id: parseUuid('subnet.id', message.id),
      etag: message.etag,
      patch: toPatch(message, request.update_mask ?? []),
    };
    return toMessage(await subnets.update(update, context.signal));
  }),
  deleteSubnet: unary(async (request, context) => {
    const deletion = {
      ...mutationOf(DeleteSubnetRequest, request, context),
      id: parseUuid('id', request.id),
      etag: request.etag,
    };
    await subnets.delete(deletion, context.signal);
    return {};
  }),
});
