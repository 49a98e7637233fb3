import { parseMac } from '#platform/net/mac-address.ts';
import type { HostInterface, InterfaceAddress, InterfaceRoute } from '../model/interface.ts';
import { jsonObjects, outputOf } from './command.ts';
import type { CommandRunner } from './command.ts';

/** Lifetimes of addresses that do not end (ip-address(8): forever). */
const FOREVER = 0xffff_ffff;

/** Reads one interface; undefined when there is none of that name. */
export const readInterface = async (
  commands: CommandRunner,
  name: string,
  signal: AbortSignal,
): Promise<HostInterface | undefined> => {
  const command = ['ip', '-json', '-details', 'address', 'show', 'dev', name];
  const { status, stdout } = await commands.run(command, signal);
  if (status !== 0) return undefined;
  const [link] = jsonObjects(command.join(' '), stdout);
  return link === undefined ? undefined : parseInterface(link);
};

/** An object of `ip -json address show`; undefined for one that is none. */
const parseInterface = (link: Readonly<Record<string, unknown>>): HostInterface | undefined => {
  const { ifname: name, mtu, flags, master, address } = link;
  if (typeof name !== 'string' || typeof mtu !== 'number' || !Array.isArray(flags)) return undefined;
  const infos: readonly unknown[] = Array.isArray(link['addr_info']) ? link['addr_info'] : [];
  return {
    name,
    mtu,
    up: flags.includes('UP'),
    ...(typeof master === 'string' && { master }),
    ...macOf(address),
    addresses: infos.flatMap((info) => parseAddress(info) ?? []),
  };
};

const macOf = (address: unknown): { readonly mac?: ReturnType<typeof parseMac> } => {
  try {
    return typeof address === 'string' ? { mac: parseMac('address', address) } : {};
  } catch {
    // Of a device that is no Ethernet, such as lo.
    return {};
  }
};

const parseAddress = (info: unknown): InterfaceAddress | undefined => {
  if (typeof info !== 'object' || info === null) return undefined;
  const { family, local, prefixlen, scope, broadcast, noprefixroute, ...rest } = info as Readonly<
    Record<string, unknown>
  >;
  if (typeof local !== 'string' || typeof prefixlen !== 'number') return undefined;
  const isV6 = family === 'inet6';
  if (isV6 && scope === 'link') return undefined;
  const address = `${local}/${prefixlen.toString()}`;
  const lifetime = (word: string, value: unknown): readonly string[] =>
    typeof value === 'number' && value < FOREVER ? [word, value.toString()] : [];
  return {
    address,
    words: [
      address,
      ...(typeof broadcast === 'string' ? ['broadcast', broadcast] : []),
      ...(typeof scope === 'string' ? ['scope', scope] : []),
      ...lifetime('valid_lft', rest['valid_life_time']),
      ...lifetime('preferred_lft', rest['preferred_life_time']),
      ...(noprefixroute === true ? ['noprefixroute'] : []),
      // It has been looked for already, on the same wire.
      ...(isV6 ? ['nodad'] : []),
    ],
  };
};

/** Routes by an interface that somebody made: those of its addresses come and go with these. */
export const readRoutes = async (
  commands: CommandRunner,
  name: string,
  signal: AbortSignal,
): Promise<readonly InterfaceRoute[]> => {
  const read = async (family: 'inet' | 'inet6'): Promise<readonly InterfaceRoute[]> => {
    const option = family === 'inet' ? '-4' : '-6';
    const command = ['ip', option, 'route', 'show', 'table', 'all', 'dev', name];
    const lines = (await outputOf(commands, command, signal)).split('\n');
    return lines.flatMap((line) => parseRoute(family, line) ?? []);
  };
  return (await Promise.all([read('inet'), read('inet6')])).flat();
};

/** What ip-route(8) shows and does not take. */
const SHOWN_ONLY = new Set(['linkdown', 'dead', 'pervasive', 'offload', 'trap', 'rt_offload', 'rt_trap', 'notify']);

const parseRoute = (family: 'inet' | 'inet6', line: string): InterfaceRoute | undefined => {
  const words = line.trim().split(/\s+/);
  const isMade = words.includes('kernel') || ['local', 'broadcast', 'multicast', 'anycast'].includes(words[0] ?? '');
  if (words[0] === '' || isMade) return undefined;
  const taken = words.filter((word) => !SHOWN_ONLY.has(word)).map((word) => word.replace(/^(\d+)sec$/, '$1'));
  // Said so that it needs no word of its family, which a line of a batch has no place for.
  return { words: taken.map((word) => (word === 'default' && family === 'inet6' ? '::/0' : word)) };
};
