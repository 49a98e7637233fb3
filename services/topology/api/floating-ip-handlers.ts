import { parseUuid } from '#platform/net/names.ts';
import { type Handlers, unary } from '#platform/rpc/handlers.ts';
import {
  CreateFloatingIpRequest,
  DeleteFloatingIpRequest,
  type RouterServiceService,
  UpdateFloatingIpRequest,
} from '#proto/weft/topology/v1/router.ts';
import type { Environment } from '../app/environment.ts';
import { createFloatingIp, deleteFloatingIp, updateFloatingIp } from '../app/floating-ips.ts';
import { getFloatingIp, listFloatingIps } from '../app/queries.ts';
import { mutationOf, newId, required } from './fields.ts';
import { floatingIpMessage, readFloatingIpDraft, readFloatingIpPatch } from './floating-ip-message.ts';
import { nextPage, readPage } from './paging.ts';

type FloatingIpMethods =
  'createFloatingIp' | 'getFloatingIp' | 'listFloatingIps' | 'updateFloatingIp' | 'deleteFloatingIp';

export const floatingIpHandlers = (
  environment: Environment,
): Pick<Handlers<RouterServiceService>, FloatingIpMethods> => ({
  createFloatingIp: unary(async (request, { signal }) => {
    const floatingIp = required('floating_ip', request.floating_ip);
    const mutation = mutationOf('CreateFloatingIp', request, CreateFloatingIpRequest.encode(request).finish());
    const draft = readFloatingIpDraft(floatingIp, newId('floating_ip.id', floatingIp.id, mutation));
    return floatingIpMessage(await createFloatingIp(environment, draft, mutation, signal));
  }),
  getFloatingIp: unary(async ({ id }, { signal }) =>
    floatingIpMessage(await getFloatingIp(environment, parseUuid('id', id), signal)),
  ),
  listFloatingIps: unary(async (request, { signal }) => {
    const scope = 'ListFloatingIps';
    const page = await listFloatingIps(environment, readPage(request, scope), signal);
    return { floating_ips: page.items.map(floatingIpMessage), ...nextPage(page, scope) };
  }),
  updateFloatingIp: unary(async (request, { signal }) => {
    const floatingIp = required('floating_ip', request.floating_ip);
    const update = {
      id: parseUuid('floating_ip.id', floatingIp.id),
      etag: floatingIp.etag,
      ...readFloatingIpPatch(floatingIp, request.update_mask ?? []),
    };
    const mutation = mutationOf('UpdateFloatingIp', request, UpdateFloatingIpRequest.encode(request).finish());
    return floatingIpMessage(await updateFloatingIp(environment, update, mutation, signal));
  }),
  deleteFloatingIp: unary(async (request, { signal }) => {
    const wanted = { id: parseUuid('id', request.id), etag: request.etag };
    const mutation = mutationOf('DeleteFloatingIp', request, DeleteFloatingIpRequest.encode(request).finish());
    await deleteFloatingIp(environment, wanted, mutation, signal);
    return {};
  }),
});
