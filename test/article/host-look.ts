import { z } from 'zod';
import { parseIp } from '#platform/net/ip-address.ts';
import { inPlace, kernelTables, tryInPlace } from '../system/kernel.ts';

const Links = z.array(z.object({ ifname: z.string(), master: z.string().optional(), mtu: z.number() }));
const Addresses = z.array(
  z.object({
    ifname: z.string().optional(),
    mtu: z.number().optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), prefixlen: z.number(), scope: z.string() })).optional(),
  }),
);
const Routes = z.array(z.object({ dst: z.string(), gateway: z.string().optional(), dev: z.string().optional() }));

/**
 * What of a host the article speaks of, a line each, in order: bridges and what is in them, namespaces with devices,
 * addresses and default route, and the rows of VXLAN devices. Read with iproute2 alone.
 */
export const lookAt = async (lab: string, host: string): Promise<readonly string[]> => {
  const at = { lab, host };
  const links = Links.parse(JSON.parse(await inPlace(at, ['ip', '-json', '-details', 'link', 'show'])));
  const bridges = links.filter(({ ifname }) => ifname.startsWith('brq'));
  const lines = bridges.map(({ ifname }) => {
    const members = links.filter(({ master }) => master === ifname).map((link) => link.ifname);
    return `bridge ${ifname}: ${members.sort().join(' ')}`;
  });
  for (const { ifname, mtu } of links.filter((link) => link.ifname.startsWith('vxlan-'))) {
    const { fdb, neighbours, flood } = await kernelTables(lab, host, ifname);
    lines.push(`${ifname}: mtu ${mtu.toString()}`);
    lines.push(...flood.map((vtep) => `${ifname}: all to ${vtep}`));
    lines.push(...[...fdb].map(([mac, vtep]) => `${ifname}: ${mac} to ${vtep}`));
    const inIpv4 = [...neighbours].filter(([ip]) => !ip.includes(':'));
    lines.push(...inIpv4.map(([ip, mac]) => `${ifname}: ${ip} is ${mac}`));
  }
  for (const namespace of await namespaces(lab, host)) lines.push(...(await lookInto(lab, host, namespace)));
  return lines.sort();
};

/** Namespaces of networks and routers on a host. */
const namespaces = async (lab: string, host: string): Promise<readonly string[]> => {
  const { stdout } = await tryInPlace({ lab, host }, ['ip', 'netns', 'list']);
  const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
  return names.filter((name) => /^q(?:dhcp|router)-/.test(name));
};

const lookInto = async (lab: string, host: string, namespace: string): Promise<readonly string[]> => {
  const inside = ['ip', '-n', namespace, '-json'];
  const devices = Addresses.parse(JSON.parse(await inPlace({ lab, host }, [...inside, 'addr', 'show'])));
  const routes = Routes.parse(JSON.parse(await inPlace({ lab, host }, [...inside, '-4', 'route', 'show', 'default'])));
  const lines = devices
    .filter(({ ifname }) => ifname !== undefined && ifname !== 'lo')
    .map(({ ifname = '', mtu = 0, addr_info = [] }) => {
      const addresses = addr_info
        .filter(({ scope, local }) => scope === 'global' && local !== undefined)
        .map(({ local = '', prefixlen }) => `${parseIp('local', local)}/${prefixlen.toString()}`);
      return `${namespace}: ${ifname} ${addresses.sort().join(' ')} mtu ${mtu.toString()}`;
    });
  return [
    ...(lines.length === 0 ? [`${namespace}: empty`] : lines),
    ...routes.map(({ gateway = '', dev = '' }) => `${namespace}: default via ${gateway} dev ${dev}`),
  ];
};
