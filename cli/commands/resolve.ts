import type { Network, Port, Router } from '#proto/weft/topology/v1/topology.ts';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { CommandContext } from '../command.ts';

/** What an id looks like. */
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const single = <T extends { readonly id: string }>(kind: string, name: string, found: readonly T[]): T => {
  const [only, ...others] = found;
  if (only === undefined) throw notFound(kind, name);
  if (others.length > 0) {
    const ids = found.map(({ id }) => id).join(', ');
    throw new DomainError('invalid', 'AMBIGUOUS_NAME', `${kind} name "${name}" is not unique: ${ids}; give the id`);
  }
  return only;
};

/** A network by id or unique name. */
export const resolveNetwork = async ({ connections, signal }: CommandContext, nameOrId: string): Promise<Network> => {
  const topology = await connections.topology();
  if (UUID.test(nameOrId)) return await topology.getNetwork({ id: nameOrId }, { signal });
  const { networks } = await topology.listNetworks({ name: nameOrId, page_size: 10, page_token: '' }, { signal });
  return single('network', nameOrId, networks);
};

/** A port by id, or by unique name. */
export const resolvePort = async ({ connections, signal }: CommandContext, nameOrId: string): Promise<Port> => {
  const topology = await connections.topology();
  if (UUID.test(nameOrId)) return await topology.getPort({ id: nameOrId }, { signal });
  const request = { name: nameOrId, page_size: 10, page_token: '', network_id: '', binding_host_id: '' };
  const { ports } = await topology.listPorts(request, { signal });
  return single('port', nameOrId, ports);
};

/** A router by id, or by unique name. */
export const resolveRouter = async ({ connections, signal }: CommandContext, nameOrId: string): Promise<Router> => {
  const routers = await connections.routers();
  if (UUID.test(nameOrId)) return await routers.getRouter({ id: nameOrId }, { signal });
  const found = await routers.listRouters({ name: nameOrId, page_size: 10, page_token: '' }, { signal });
  return single('router', nameOrId, found.routers);
};

/** All pages of a list. */
export const allPages = async <T>(
  fetchPage: (pageToken: string) => Promise<{ readonly items: readonly T[]; readonly next: string }>,
): Promise<readonly T[]> => {
  const all: T[] = [];
  let token = '';
  do {
    const { items, next } = await fetchPage(token);
    all.push(...items);
    token = next;
  } while (token !== '');
  return all;
};

/** A flag's whole number. */
export const wholeNumber = (name: string, text: string | undefined): number => {
  if (text === undefined) return 0;
  if (!/^\d{1,9}$/.test(text)) throw new DomainError('invalid', 'USAGE', `--${name}: "${text}" is not a whole number`);
  return Number(text);
};
