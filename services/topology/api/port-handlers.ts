import { invalidField } from '#platform/errors/domain-error.ts';
import { parseHostId, parseName, parseUuid } from '#platform/net/names.ts';
import { type Handlers, unary } from '#platform/rpc/handlers.ts';
import {
  CreatePortRequest,
  DeletePortRequest,
  type ListPortsRequest,
  type TopologyServiceService,
  UpdatePortRequest,
} from '#proto/weft/topology/v1/topology.ts';
import { createPort } from '../app/create-port.ts';
import { deletePort } from '../app/delete-port.ts';
import type { Environment } from '../app/environment.ts';
import type { PortHints } from '../app/port-hints.ts';
import { getPort, listPorts, type PortFilter } from '../app/queries.ts';
import { updatePort } from '../app/update-port.ts';
import { mutationOf, newId, required } from './fields.ts';
import { nextPage, readPage } from './paging.ts';
import { portMessage, readPortDraft, readPortPatch } from './port-message.ts';

type PortMethods = 'createPort' | 'getPort' | 'listPorts' | 'updatePort' | 'deletePort';

export const portHandlers = (
  environment: Environment,
  hints: PortHints,
): Pick<Handlers<TopologyServiceService>, PortMethods> => ({
  createPort: unary(async (request, { signal }) => {
    const port = required('port', request.port);
    const mutation = mutationOf('CreatePort', request, CreatePortRequest.encode(request).finish());
    const draft = readPortDraft(port, newId('port.id', port.id, mutation));
    const made = await createPort(environment, draft, mutation, signal);
    if (!mutation.validateOnly) hints.note(made.id, made.networkId);
    return portMessage(made);
  }),
  getPort: unary(async ({ id }, { signal }) => portMessage(await getPort(environment, parseUuid('id', id), signal))),
  listPorts: unary(async (request, { signal }) => {
    const filter = readFilter(request);
    const scope = `ListPorts ${JSON.stringify(filter)}`;
    const page = await listPorts(environment, filter, readPage(request, scope), signal);
    return { ports: page.items.map(portMessage), ...nextPage(page, scope) };
  }),
  updatePort: unary(async (request, { signal }) => {
    const port = required('port', request.port);
    const patch = readPortPatch(port, request.update_mask ?? []);
    const wanted = { id: parseUuid('port.id', port.id), etag: port.etag, ...patch };
    const mutation = mutationOf('UpdatePort', request, UpdatePortRequest.encode(request).finish());
    return portMessage(await updatePort(environment, wanted, mutation, signal));
  }),
  deletePort: unary(async (request, { signal }) => {
    const wanted = { id: parseUuid('id', request.id), etag: request.etag };
    const mutation = mutationOf('DeletePort', request, DeletePortRequest.encode(request).finish());
    await deletePort(environment, wanted, mutation, signal);
    return {};
  }),
});

const readFilter = ({ network_id: network, binding_host_id: host, name }: ListPortsRequest): PortFilter => {
  const given = Object.entries({ network_id: network, binding_host_id: host, name }).filter(
    ([, value]) => value !== '',
  );
  const [, second] = given;
  if (second !== undefined) throw invalidField(second[0], second[1], 'cannot go with another filter');
  if (network !== '') return { by: 'network', id: parseUuid('network_id', network) };
  if (host !== '') return { by: 'host', id: parseHostId('binding_host_id', host) };
  return name === '' ? { by: 'all' } : { by: 'name', name: parseName('name', name) };
};
