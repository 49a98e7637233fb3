import { parseName, parseUuid } from '#platform/net/names.ts';
import { type Handlers, unary } from '#platform/rpc/handlers.ts';
import {
  CreateNetworkRequest,
  DeleteNetworkRequest,
  type TopologyServiceService,
  UpdateNetworkRequest,
} from '#proto/weft/topology/v1/topology.ts';
import { createNetwork } from '../app/create-network.ts';
import { deleteNetwork } from '../app/delete-network.ts';
import type { Environment } from '../app/environment.ts';
import { getNetwork, listNetworks } from '../app/queries.ts';
import { updateNetwork } from '../app/update-network.ts';
import { mutationOf, newId, required } from './fields.ts';
import { networkMessage, readNetworkDraft, readNetworkSettings } from './network-message.ts';
import { nextPage, readPage } from './paging.ts';

type NetworkMethods = 'createNetwork' | 'getNetwork' | 'listNetworks' | 'updateNetwork' | 'deleteNetwork';

export const networkHandlers = (environment: Environment): Pick<Handlers<TopologyServiceService>, NetworkMethods> => ({
  createNetwork: unary(async (request, { signal }) => {
    const network = required('network', request.network);
    const mutation = mutationOf('CreateNetwork', request, CreateNetworkRequest.encode(request).finish());
    const draft = readNetworkDraft(network, newId('network.id', network.id, mutation), environment.defaultMtu);
    return networkMessage(await createNetwork(environment, draft, mutation, signal));
  }),
  getNetwork: unary(async ({ id }, { signal }) =>
    networkMessage(await getNetwork(environment, parseUuid('id', id), signal)),
  ),
  listNetworks: unary(async (request, { signal }) => {
    const name = parseName('name', request.name);
    const scope = `ListNetworks ${name}`;
    const page = await listNetworks(environment, name, readPage(request, scope), signal);
    return { networks: page.items.map(networkMessage), ...nextPage(page, scope) };
  }),
  updateNetwork: unary(async (request, { signal }) => {
    const network = required('network', request.network);
    const settings = readNetworkSettings(network, request.update_mask ?? []);
    const wanted = { id: parseUuid('network.id', network.id), etag: network.etag, settings };
    const mutation = mutationOf('UpdateNetwork', request, UpdateNetworkRequest.encode(request).finish());
    return networkMessage(await updateNetwork(environment, wanted, mutation, signal));
  }),
  deleteNetwork: unary(async (request, { signal }) => {
    const wanted = { id: parseUuid('id', request.id), etag: request.etag };
    const mutation = mutationOf('DeleteNetwork', request, DeleteNetworkRequest.encode(request).finish());
    await deleteNetwork(environment, wanted, mutation, signal);
    return {};
  }),
});
