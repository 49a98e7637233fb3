import { parseHostId, parseLabels } from '#platform/net/names.ts';
import { type Handlers, unary } from '#platform/rpc/handlers.ts';
import { checkMask } from '#platform/store/request-mask.ts';
import {
  CreateHostRequest,
  DeleteHostRequest,
  type TopologyServiceService,
  UpdateHostRequest,
} from '#proto/weft/topology/v1/topology.ts';
import { createHost } from '../app/create-host.ts';
import { deleteHost } from '../app/delete-host.ts';
import type { Environment } from '../app/environment.ts';
import { getHost, listHosts } from '../app/queries.ts';
import { registerHost } from '../app/register-host.ts';
import { renewHostLease } from '../app/renew-host-lease.ts';
import { updateHost } from '../app/update-host.ts';
import { mutationOf, readLease, required, timestamp } from './fields.ts';
import { hostMessage, readHostSpec } from './host-message.ts';
import { nextPage, readPage } from './paging.ts';

type HostMethods =
  'registerHost' | 'renewHostLease' | 'createHost' | 'getHost' | 'listHosts' | 'updateHost' | 'deleteHost';

export const hostHandlers = (environment: Environment): Pick<Handlers<TopologyServiceService>, HostMethods> => ({
  registerHost: unary(async (request, { signal }) => {
    const spec = readHostSpec(required('host', request.host));
    const view = await registerHost(environment, spec, readLease('lease', request.lease), signal);
    return { host: hostMessage(view) };
  }),
  renewHostLease: unary(async (request, { signal }) => {
    const id = parseHostId('host_id', request.host_id);
    const expiresAt = await renewHostLease(environment, id, readLease('lease', request.lease), signal);
    return { lease_expire_time: timestamp(expiresAt) };
  }),
  createHost: unary(async (request, { signal }) => {
    const spec = readHostSpec(required('host', request.host));
    const mutation = mutationOf('CreateHost', request, CreateHostRequest.encode(request).finish());
    return hostMessage({ host: await createHost(environment, spec, mutation, signal), lease: undefined });
  }),
  getHost: unary(async ({ id }, { signal }) => hostMessage(await getHost(environment, parseHostId('id', id), signal))),
  listHosts: unary(async (request, { signal }) => {
    const scope = 'ListHosts';
    const page = await listHosts(environment, readPage(request, scope), signal);
    return { hosts: page.items.map(hostMessage), ...nextPage(page, scope) };
  }),
  updateHost: unary(async (request, { signal }) => {
    const host = required('host', request.host);
    const id = parseHostId('host.id', host.id);
    const named = checkMask(request.update_mask ?? [], ['labels'], 'host');
    const labels = named.length === 0 ? {} : { labels: parseLabels('host.labels', host.labels) };
    const mutation = mutationOf('UpdateHost', request, UpdateHostRequest.encode(request).finish());
    return hostMessage(await updateHost(environment, { id, etag: host.etag, ...labels }, mutation, signal));
  }),
  deleteHost: unary(async (request, { signal }) => {
    const { etag, force } = request;
    const mutation = mutationOf('DeleteHost', request, DeleteHostRequest.encode(request).finish());
    await deleteHost(environment, { id: parseHostId('id', request.id), etag, force }, mutation, signal);
    return {};
  }),
});
