import fc from 'fast-check';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { parseVni } from '#platform/net/vni.ts';
import type {
  ForwardingEntry,
  HostIdentity,
  LocalPort,
  NetworkChange,
  NetworkFacts,
  NetworkIntent,
  PortView,
  ProviderSegment,
  Vtep,
} from '../model/intent.ts';
import type { PortSecurity } from '../model/port-security.ts';

/** A small world in which ports collide often: few addresses, few hosts, few generations. */
export interface World {
  readonly ports: ReadonlyMap<string, PortView>;
  readonly manualFlood: readonly IpAddress[];
}

export const NETWORK: NetworkFacts = {
  networkId: parseUuid('id', '0a1b2c3d-4400-4000-8000-000000000001'),
  vni: parseVni('vni', 70),
  mtu: 1450,
};

const vtep = (hostId: string, last: number, udpPort: number): Vtep => ({
  hostId,
  address: parseUnicastIp('vtep', `192.0.2.${last.toString()}`),
  udpPort,
});

/** This host, and three others, one of which listens on the port of old Linux. */
export const HOST: HostIdentity = { hostId: 'h1', vtep: vtep('h1', 1, 4789) };
const VTEPS = [HOST.vtep, vtep('h2', 2, 4789), vtep('h3', 3, 4789), vtep('h4', 4, 8472)];

const PORT_IDS = [1, 2, 3, 4, 5].map((n) => `0000000${n.toString()}-0000-4000-8000-000000000000`);
const MACS = [1, 2, 3].map((n) => parseMac('mac', `fa:16:3e:00:00:0${n.toString()}`));
const IPS = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'].map((ip) => parseUnicastIp('ip', ip));
export const DEVICES = PORT_IDS.map((id) => `tap${id.slice(0, 11)}`);

const address = {
  mac: fc.constantFrom(...MACS),
  ips: fc.subarray(IPS),
  generation: fc.bigInt({ min: 1n, max: 3n }),
};

const security: fc.Arbitrary<PortSecurity> = fc.record({
  enabled: fc.boolean(),
  pairs: fc.subarray([
    { mac: parseMac('mac', 'fa:16:3e:00:00:01'), cidr: parseCidr('cidr', '10.9.0.0/25') },
    { mac: parseMac('mac', '00:00:5e:00:01:01'), cidr: parseCidr('cidr', '10.0.0.9/32') },
    { mac: parseMac('mac', '00:00:5e:00:01:01'), cidr: parseCidr('cidr', 'fd00:9::/33') },
    { mac: parseMac('mac', 'fa:16:3e:00:00:02'), cidr: parseCidr('cidr', '0.0.0.0/0') },
    { mac: parseMac('mac', 'fa:16:3e:00:00:02'), cidr: parseCidr('cidr', '::/0') },
  ]),
  revision: fc.bigInt({ min: 1n, max: 3n }),
});

const view = (portId: string, index: number): fc.Arbitrary<PortView> => {
  const entry: fc.Arbitrary<ForwardingEntry> = fc.record({
    portId: fc.constant(portId),
    vtep: fc.constantFrom(...VTEPS),
    ...address,
  });
  const local: fc.Arbitrary<LocalPort> = fc.record({
    portId: fc.constant(portId),
    device: fc.constant(DEVICES[index] ?? ''),
    security,
    ...address,
  });
  return fc.record({ entry, local }, { requiredKeys: [] });
};

export const arbitraryWorld: fc.Arbitrary<World> = fc
  .tuple(fc.tuple(...PORT_IDS.map(view)), fc.subarray(VTEPS))
  .map(([views, flood]) => ({
    ports: new Map(views.flatMap((each, index) => [[PORT_IDS[index] ?? '', each] as const])),
    manualFlood: flood.map((each) => each.address),
  }));

export const intentOf = (world: World): NetworkIntent => {
  const entries = new Map<string, ForwardingEntry>();
  const ports = new Map<string, LocalPort>();
  const remoteVteps = new Map<IpAddress, Vtep>();
  for (const [portId, { entry, local }] of world.ports) {
    if (entry !== undefined) entries.set(portId, entry);
    if (entry !== undefined && entry.vtep.hostId !== HOST.hostId) remoteVteps.set(entry.vtep.address, entry.vtep);
    if (local !== undefined) ports.set(portId, local);
  }
  return { ...NETWORK, ports, entries, remoteVteps, manualFlood: new Set(world.manualFlood) };
};

/** Physical networks as a host may meet one: untagged, and with a tag. */
export const PROVIDERS = [
  { physicalNetwork: 'provider', device: 'eth1' },
  { physicalNetwork: 'provider', device: 'eth1', vlan: 100 },
] as const;

/** The network of a world on a physical network: what is elsewhere l2pop does not tell. */
export const providerIntentOf = (world: World, provider: ProviderSegment): NetworkIntent => ({
  ...intentOf(world),
  ...{ vni: 0x4a1b_2c3d as NetworkFacts['vni'], provider },
  ...{ entries: new Map(), remoteVteps: new Map(), manualFlood: new Set() },
});

/** As `changeOf`, of such a network. */
export const providerChangeOf = (from: World, to: World): NetworkChange => {
  const local = ({ local: port }: PortView): PortView => ({ ...(port && { local: port }) });
  const ports = [...changeOf(from, to).ports].map(
    ([portId, { before, after }]) => [portId, { before: local(before), after: local(after) }] as const,
  );
  return { ports: new Map(ports), floodAdded: [], floodRemoved: [] };
};

const floodOf = (intent: NetworkIntent): ReadonlyMap<IpAddress, Vtep> => {
  const manual = [...intent.manualFlood].map((each): [IpAddress, Vtep] => [each, { ...HOST.vtep, address: each }]);
  return new Map([...manual, ...intent.remoteVteps]);
};

/** What a table would say has changed on the way from one world to another. */
export const changeOf = (from: World, to: World): NetworkChange => {
  const before = floodOf(intentOf(from));
  const after = floodOf(intentOf(to));
  const ports = [...to.ports].filter(([portId, each]) => from.ports.get(portId) !== each);
  return {
    ports: new Map(ports.map(([portId, each]) => [portId, { before: from.ports.get(portId) ?? {}, after: each }])),
    floodAdded: [...after.values()].filter((each) => before.get(each.address)?.udpPort !== each.udpPort),
    floodRemoved: [...before.values()].filter((each) => after.get(each.address)?.udpPort !== each.udpPort),
  };
};
