import { z } from 'zod';
import { inPlace } from '../../system/kernel.ts';

const Links = z.array(
  z.object({
    ifname: z.string(),
    mtu: z.number(),
    flags: z.array(z.string()),
    master: z.string().optional(),
    ifalias: z.string().optional(),
    linkinfo: z
      .object({
        info_kind: z.string().optional(),
        info_data: z
          .object({
            id: z.number().optional(),
            local: z.string().optional(),
            local6: z.string().optional(),
            port: z.number().optional(),
            learning: z.boolean().optional(),
            proxy: z.boolean().optional(),
          })
          .optional(),
        info_slave_data: z.object({ learning: z.boolean().optional() }).optional(),
      })
      .optional(),
  }),
);
const Fdb = z.array(
  z.object({ mac: z.string(), ifname: z.string(), dst: z.string().optional(), master: z.string().optional() }),
);
const Neighbours = z.array(z.object({ dst: z.string(), dev: z.string(), lladdr: z.string().optional() }));

/**
 * What of a host matters to traffic, one line each, sorted: devices with master, MTU, mark and settings, forwarding rows with
 * a destination, permanent neighbours. Devices made anew with the same settings read the same.
 */
export const hostShape = async (lab: string, host: string): Promise<readonly string[]> => {
  const at = { lab, host };
  const read = async (argv: readonly string[]): Promise<unknown> => JSON.parse(await inPlace(at, argv)) as unknown;
  const [links, fdb, neighbours] = await Promise.all([
    read(['ip', '-json', '-details', 'link', 'show']),
    read(['bridge', '-json', 'fdb', 'show']),
    read(['ip', '-json', 'neigh', 'show', 'nud', 'permanent']),
  ]);
  return [
    ...Links.parse(links).map(({ ifname, mtu, flags, master, ifalias, linkinfo }) =>
      ['link', ifname, mtu, flags.includes('UP') ? 'up' : 'down', master, ifalias, JSON.stringify(linkinfo)].join(' '),
    ),
    ...Fdb.parse(fdb).flatMap(({ mac, ifname, dst }) => (dst === undefined ? [] : [`fdb ${mac} ${ifname} ${dst}`])),
    ...Neighbours.parse(neighbours).map(({ dst, dev, lladdr }) => `neighbour ${dst} ${dev} ${lladdr ?? ''}`),
  ].toSorted();
};
