import { edgeMark } from '../../core/names.ts';
import type { ObservedEdgeLink } from '../../core/model.ts';
import type { WantedRouter } from '../desired.ts';
import type { ObservedRouter } from '../plan.ts';

/** A router that is as it should be, as a look would see it. */
export const asWanted = ({ namespace, table, radvd }: WantedRouter): ObservedRouter => {
  const alias = edgeMark('router', namespace.id);
  const links = new Map<string, ObservedEdgeLink>();
  const taps = new Map<string, ObservedEdgeLink>();
  links.set('lo', { name: 'lo', index: 1, alias, mac: '00:00:00:00:00:00', mtu: 65_536, up: true, addresses: [] });
  for (const [at, { name, tap, mac, mtu, addresses }] of namespace.links.entries()) {
    const [index, peerIndex] = [2 + at, 100 + at];
    links.set(name, { name, index, peerIndex, kind: 'veth', alias, mac, mtu, up: true, addresses });
    taps.set(tap, { name: tap, index: peerIndex, peerIndex: index, kind: 'veth', mac, mtu, up: true, addresses: [] });
  }
  const sysctls = new Map(namespace.sysctls.map((each) => each.split('=', 2) as [string, string]));
  return {
    edge: { namespace: { links, routes: namespace.routes, neighbours: [], sysctls }, taps },
    table,
    flows: [],
    radvd: { config: radvd, running: radvd === undefined ? 'no' : 'here' },
  };
};
