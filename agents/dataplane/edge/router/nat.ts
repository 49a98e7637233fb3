import { createHash } from 'node:crypto';
import { ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { FloatingAddress } from '../../model/router-duty.ts';

/** The one table of a router's namespace that the agent writes, and owns whole. */
const ROUTER_TABLE = ['inet', 'weft'] as const;

/** What a router translates. */
interface RouterNat {
  readonly routerId: string;
  /** The device to the outside, and the address that sources inside appear as there; without a device nothing is translated. */
  readonly gateway?: { readonly device: string; readonly address?: IpAddress };
  readonly enableSnat: boolean;
  /** IPv4 only: IPv6 is routed as it is. */
  readonly floating: readonly FloatingAddress[];
}

/**
 * The lines of a router's table, in the very words in which `nft list table` prints them, without indentation: what is
 * wanted and what was read back are compared line by line.
 *
 * - What comes from outside keeps its source; what goes from inside to inside keeps it too, unless it was addressed to a
 *   floating address: then the answer has to come back through the router.
 * - A floating address is its port's, in both directions, also without `enableSnat`.
 * - Whatever cannot be translated although it should (conntrack takes it for nobody's) does not leave with an inside address.
 * - Nothing is forwarded from outside to outside: that is not what a router of a tenant is for.
 */
export const routerTable = ({ routerId, gateway, enableSnat, floating }: RouterNat): readonly string[] => {
  const outside = gateway?.device;
  const address = gateway?.address;
  const mappings = outside === undefined ? [] : floating.filter(({ inside }) => ipVersion(inside) === 4);
  const translates = outside !== undefined && (mappings.length > 0 || (enableSnat && address !== undefined));
  const chains = [
    ...(translates ? translation(outside, address, enableSnat, mappings) : []),
    ...chain('forward', 'filter', 'forward', 'filter', [
      ...(outside === undefined ? [] : [`iifname "${outside}" oifname "${outside}" drop`]),
      ...(translates ? [`meta nfproto ipv4 oifname "${outside}" ct state invalid drop`] : []),
      'tcp flags syn / syn,rst tcp option maxseg size set rt mtu',
    ]),
  ];
  // Tells which rules were written, however they are listed.
  const digest = createHash('sha256').update(chains.join('\n')).digest('hex').slice(0, 12);
  return [`table ${ROUTER_TABLE.join(' ')} {`, `comment "weft:router:${routerId} ${digest}"`, ...chains, '}'];
};

const translation = (
  outside: string,
  address: IpAddress | undefined,
  enableSnat: boolean,
  mappings: readonly FloatingAddress[],
): readonly string[] => [
  ...chain(
    'prerouting',
    'nat',
    'prerouting',
    'dstnat',
    mappings.map(
      ({ floatingIpId, outside: from, inside }) =>
        `ip daddr ${from} dnat ip to ${inside} comment "floating IP ${floatingIpId}"`,
    ),
  ),
  ...chain('postrouting', 'nat', 'postrouting', 'srcnat', [
    `iifname "${outside}" accept`,
    `oifname != "${outside}" ct status & dnat != dnat accept`,
    ...mappings.map(
      ({ floatingIpId, outside: to, inside }) =>
        `ip saddr ${inside} snat ip to ${to} comment "floating IP ${floatingIpId}"`,
    ),
    ...(address === undefined ? [] : [`meta nfproto ipv4 ${enableSnat ? '' : 'ct status dnat '}snat ip to ${address}`]),
  ]),
];

const chain = (
  name: string,
  type: string,
  hook: string,
  priority: string,
  rules: readonly string[],
): readonly string[] => [
  `chain ${name} {`,
  `type ${type} hook ${hook} priority ${priority}; policy accept;`,
  ...rules,
  '}',
];

/** What prints that table. */
export const LIST_TABLE = ['nft', 'list', 'table', ...ROUTER_TABLE] as const;

/** The lines of `nft list table`, as `routerTable` has them. */
export const tableLines = (listed: string): readonly string[] =>
  listed
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Whether lines are what nft lists of a table that was written whole as `wanted`, in whatever words. */
export const isOfTable = (listed: readonly string[], wanted: readonly string[]): boolean =>
  listed[1] === wanted[1] && listed.length === wanted.length;

/**
 * What `nft -f` reads to put these lines in the place of the whole table, in one transaction: no packet sees neither, and
 * connections that are under way keep their translation, which conntrack holds.
 */
export const replacingTable = (lines: readonly string[]): string => {
  const table = `table ${ROUTER_TABLE.join(' ')}`;
  // To delete what may not be there, it is made first.
  return `${[table, `delete ${table}`, ...lines].join('\n')}\n`;
};

/** Which address inside each floating address of a table leads to, as its lines say. */
export const mappingsOf = (lines: readonly string[]): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const line of lines) {
    const words = /^ip daddr (?<outside>\S+) dnat ip to (?<inside>\S+)/.exec(line)?.groups;
    const outside = words?.['outside'];
    const inside = words?.['inside'];
    if (outside !== undefined && inside !== undefined) found.set(outside, inside);
  }
  return found;
};
