import type { Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import type { FloatingIp, Network, Port, Router } from '#proto/weft/topology/v1/topology.ts';
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

/** A subnet by id, or by unique name. */
export const resolveSubnet = async ({ connections, signal }: CommandContext, nameOrId: string): Promise<Subnet> => {
  const ipam = await connections.ipam();
  if (UUID.test(nameOrId)) return await ipam.getSubnet({ id: nameOrId }, { signal });
  const subnets = await allPages(async (page_token) => {
    const page = await ipam.listSubnets({ page_token, page_size: 1000, network_id: '' }, { signal });
    return { items: page.subnets, next: page.next_page_token };
  });
  const named = subnets.filter(({ name }) => name === nameOrId);
  return single('subnet', nameOrId, named);
};

/** A floating IP by id, or by its address. */
export const resolveFloatingIp = async (
  { connections, signal }: CommandContext,
  addressOrId: string,
): Promise<FloatingIp> => {
  const routers = await connections.routers();
  if (UUID.test(addressOrId)) return await routers.getFloatingIp({ id: addressOrId }, { signal });
  const all = await allPages(async (page_token) => {
    const page = await routers.listFloatingIps({ page_token, page_size: 1000 }, { signal });
    return { items: page.floating_ips, next: page.next_page_token };
  });
  const bearing = all.filter(({ floating_ip_address }) => floating_ip_address === addressOrId);
  return single('floating_ip', addressOrId, bearing);
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
