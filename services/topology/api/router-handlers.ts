import { invalidField } from '#platform/errors/domain-error.ts';
import { parseName, parseUuid, type Uuid } from '#platform/net/names.ts';
import { type Handlers, unary } from '#platform/rpc/handlers.ts';
import {
  AddRouterInterfaceRequest,
  CreateRouterRequest,
  DeleteRouterRequest,
  RemoveRouterInterfaceRequest,
  type RouterServiceService,
  UpdateRouterRequest,
} from '#proto/weft/topology/v1/router.ts';
import { addPortInterface, addSubnetInterface } from '../app/add-router-interface.ts';
import { createRouter } from '../app/create-router.ts';
import { deleteRouter } from '../app/delete-router.ts';
import type { Environment } from '../app/environment.ts';
import { getRouter, listRouters } from '../app/queries.ts';
import { removeRouterInterface } from '../app/remove-router-interface.ts';
import { updateRouter } from '../app/update-router.ts';
import { mutationOf, newId, optional, required } from './fields.ts';
import { nextPage, readPage } from './paging.ts';
import { readRouterDraft, readRouterPatch, routerMessage } from './router-message.ts';

type RouterMethods =
  | 'createRouter'
  | 'getRouter'
  | 'listRouters'
  | 'updateRouter'
  | 'deleteRouter'
  | 'addRouterInterface'
  | 'removeRouterInterface';

export const routerHandlers = (environment: Environment): Pick<Handlers<RouterServiceService>, RouterMethods> => ({
  createRouter: unary(async (request, { signal }) => {
    const router = required('router', request.router);
    const mutation = mutationOf('CreateRouter', request, CreateRouterRequest.encode(request).finish());
    const draft = readRouterDraft(router, newId('router.id', router.id, mutation));
    return routerMessage(await createRouter(environment, draft, mutation, signal));
  }),
  getRouter: unary(async ({ id }, { signal }) =>
    routerMessage(await getRouter(environment, parseUuid('id', id), signal)),
  ),
  listRouters: unary(async (request, { signal }) => {
    const name = parseName('name', request.name);
    const scope = `ListRouters ${name}`;
    const page = await listRouters(environment, name, readPage(request, scope), signal);
    return { routers: page.items.map(routerMessage), ...nextPage(page, scope) };
  }),
  updateRouter: unary(async (request, { signal }) => {
    const router = required('router', request.router);
    const update = {
      id: parseUuid('router.id', router.id),
      etag: router.etag,
      ...readRouterPatch(router, request.update_mask ?? []),
    };
    const mutation = mutationOf('UpdateRouter', request, UpdateRouterRequest.encode(request).finish());
    return routerMessage(await updateRouter(environment, update, mutation, signal));
  }),
  deleteRouter: unary(async (request, { signal }) => {
    const wanted = { id: parseUuid('id', request.id), etag: request.etag };
    const mutation = mutationOf('DeleteRouter', request, DeleteRouterRequest.encode(request).finish());
    await deleteRouter(environment, wanted, mutation, signal);
    return {};
  }),
  addRouterInterface: unary(async (request, { signal }) => {
    const { routerId, subnetId, portId } = readChoice(request);
    const mutation = mutationOf('AddRouterInterface', request, AddRouterInterfaceRequest.encode(request).finish());
    return routerMessage(
      portId === undefined
        ? await addSubnetInterface(environment, { routerId, subnetId }, mutation, signal)
        : await addPortInterface(environment, { routerId, portId }, mutation, signal),
    );
  }),
  removeRouterInterface: unary(async (request, { signal }) => {
    const body = RemoveRouterInterfaceRequest.encode(request).finish();
    const mutation = mutationOf('RemoveRouterInterface', request, body);
    return routerMessage(await removeRouterInterface(environment, readChoice(request), mutation, signal));
  }),
});

interface ChoiceFields {
  readonly router_id: string;
  readonly subnet_id: string;
  readonly port_id: string;
}

type Choice = { readonly routerId: Uuid } & (
  { readonly subnetId: Uuid; readonly portId?: never } | { readonly portId: Uuid; readonly subnetId?: never }
);

/** Throws `invalid` unless it is either a subnet or a port. */
const readChoice = (request: ChoiceFields): Choice => {
  const routerId = parseUuid('router_id', request.router_id);
  const subnetId = optional(parseUuid, 'subnet_id', request.subnet_id);
  const portId = optional(parseUuid, 'port_id', request.port_id);
  if (subnetId !== undefined && portId !== undefined) {
    throw invalidField('port_id', request.port_id, 'cannot go with subnet_id');
  }
  if (subnetId !== undefined) return { routerId, subnetId };
  if (portId !== undefined) return { routerId, portId };
  throw invalidField('subnet_id', '', 'is required where port_id is not given');
};
