import { notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Network } from '../domain/network.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import type { Port } from '../domain/port.ts';
import type { Router } from '../domain/router.ts';
import type { Environment } from './environment.ts';
import { networksNamed, portIndex, routerIndex } from './records.ts';
import type { HostView } from './register-host.ts';

/** Which part of a list. */
export interface PageRequest {
  /** Items after this id. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Items in id order, and after which id there may be more. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

/** At most one filter. */
export type PortFilter =
  | { readonly by: 'all' }
  | { readonly by: 'network'; readonly id: Uuid }
  | { readonly by: 'host'; readonly id: HostId }
  | { readonly by: 'name'; readonly name: string };

type Reading = Pick<Environment, 'store' | 'records'>;

/** Throws `not_found`. */
export const getHost = async ({ store, records }: Reading, id: HostId, signal: AbortSignal): Promise<HostView> => {
  const [host, lease] = await Promise.all([
    store.get(records.hosts, id, signal),
    store.get(records.leases, id, signal),
  ]);
  if (host === undefined) throw notFound('host', id);
  return { host: host.value, lease: lease?.value.expiresAt };
};

export const listHosts = async (
  { store, records }: Reading,
  page: PageRequest,
  signal: AbortSignal,
): Promise<Listed<HostView>> => {
  const { items, next } = await store.list(records.hosts, options(page), signal);
  const ids = items.map(({ value }) => value.id);
  const leases = await store.transact((tx) => tx.getMany(records.leases, ids), signal);
  return { items: items.map(({ value }, at) => ({ host: value, lease: leases[at]?.value.expiresAt })), next };
};

/** Throws `not_found`. */
export const getNetwork = async ({ store, records }: Reading, id: Uuid, signal: AbortSignal): Promise<Network> => {
  const network = await store.get(records.networks, id, signal);
  if (network === undefined) throw notFound('network', id);
  return network.value;
};

/** All, or those of one name. */
export const listNetworks = async (
  { store, records }: Reading,
  name: string,
  page: PageRequest,
  signal: AbortSignal,
): Promise<Listed<Network>> => {
  const index = name === '' ? undefined : networksNamed(name);
  const { items, next } = await store.list(records.networks, options(page, index), signal);
  return { items: items.map(({ value }) => value), next };
};

/** Throws `not_found`. */
export const getPort = async ({ store, records }: Reading, id: Uuid, signal: AbortSignal): Promise<Port> => {
  const port = await store.get(records.ports, id, signal);
  if (port === undefined) throw notFound('port', id);
  return port.value;
};

export const listPorts = async (
  { store, records }: Reading,
  filter: PortFilter,
  page: PageRequest,
  signal: AbortSignal,
): Promise<Listed<Port>> => {
  const { items, next } = await store.list(records.ports, options(page, indexOf(filter)), signal);
  return { items: items.map(({ value }) => value), next };
};

/** Throws `not_found`. */
export const getRouter = async ({ store, records }: Reading, id: Uuid, signal: AbortSignal): Promise<Router> => {
  const router = await store.get(records.routers, id, signal);
  if (router === undefined) throw notFound('router', id);
  return router.value;
};

/** All, or those of one name. */
export const listRouters = async (
  { store, records }: Reading,
  name: string,
  page: PageRequest,
  signal: AbortSignal,
): Promise<Listed<Router>> => {
  const index = name === '' ? undefined : routerIndex.named(name);
  const { items, next } = await store.list(records.routers, options(page, index), signal);
  return { items: items.map(({ value }) => value), next };
};

/** Throws `not_found`. */
export const getFloatingIp = async (
  { store, records }: Reading,
  id: Uuid,
  signal: AbortSignal,
): Promise<FloatingIp> => {
  const floatingIp = await store.get(records.floatingIps, id, signal);
  if (floatingIp === undefined) throw notFound('floating_ip', id);
  return floatingIp.value;
};

export const listFloatingIps = async (
  { store, records }: Reading,
  page: PageRequest,
  signal: AbortSignal,
): Promise<Listed<FloatingIp>> => {
  const { items, next } = await store.list(records.floatingIps, options(page), signal);
  return { items: items.map(({ value }) => value), next };
};

const indexOf = (filter: PortFilter): string | undefined => {
  switch (filter.by) {
    case 'all':
      return undefined;
    case 'network':
      return portIndex.ofNetwork(filter.id);
    case 'host':
      return portIndex.boundTo(filter.id);
    case 'name':
      return portIndex.named(filter.name);
  }
};

const options = ({ after, limit }: PageRequest, index?: string) => ({
  limit,
  ...(after === undefined ? {} : { after }),
  ...(index === undefined ? {} : { index }),
});
