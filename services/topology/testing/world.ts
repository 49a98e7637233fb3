import { randomUUID } from 'node:crypto';
import { nullLog } from '#platform/log/log.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseHostId, parseLabels, parseName, parseUuid, type Uuid } from '#platform/net/names.ts';
import { VXLAN_PORT } from '#platform/net/udp-port.ts';
import { MemoryStore } from '#platform/store/memory-store.ts';
import { ManualClock } from '#platform/testing/manual-clock.ts';
import { TopologyEvent } from '#proto/weft/event/v1/event.ts';
import { records } from '../adapters/collections.ts';
import { announce } from '../api/event-message.ts';
import type { PortDraft } from '../app/create-port.ts';
import { createNetwork, type NetworkDraft } from '../app/create-network.ts';
import { createPort } from '../app/create-port.ts';
import { createRouter, type RouterDraft } from '../app/create-router.ts';
import { type Environment, type Mutation, unasked } from '../app/environment.ts';
import { PortHints } from '../app/port-hints.ts';
import { registerHost } from '../app/register-host.ts';
import type { Host, HostSpec } from '../domain/host.ts';
import type { Network } from '../domain/network.ts';
import type { Port } from '../domain/port.ts';
import type { Router } from '../domain/router.ts';
import { FakeIpam } from './fake-ipam.ts';

/** What a test never aborts. */
export const never: AbortSignal = new AbortController().signal;

export const uuid = (): Uuid => parseUuid('id', randomUUID());

/** A mutation as the API would make it. */
export const asked = (cause: string, requestId: string, body: string, validateOnly = false): Mutation => ({
  cause,
  request: { requestId, method: cause, body },
  validateOnly,
});

export const hostSpec = (id: string, vtep: string, rest: Partial<HostSpec> = {}): HostSpec => ({
  id: parseHostId('id', id),
  vtepAddress: parseIp('vtep', vtep),
  udpPort: VXLAN_PORT,
  driver: 'linuxbridge',
  underlayMtu: parseMtu('mtu', 1_500),
  labels: parseLabels('labels', {}),
  agentVersion: '1',
  roles: [],
  bridgeMappings: {},
  ...rest,
});

export const networkDraft = (rest: Partial<NetworkDraft> = {}): NetworkDraft => ({
  id: uuid(),
  type: 'vxlan',
  segmentationId: 0,
  physicalNetwork: '',
  name: parseName('name', ''),
  mtu: parseMtu('mtu', 1_450),
  adminStateUp: true,
  autoPorts: false,
  portSecurityEnabled: true,
  shared: false,
  external: false,
  labels: parseLabels('labels', {}),
  ...rest,
});

export const portDraft = (networkId: Uuid, rest: Partial<PortDraft> = {}): PortDraft => ({
  id: uuid(),
  networkId,
  name: parseName('name', ''),
  fixedIps: [],
  allowedAddressPairs: [],
  deviceId: parseName('device', ''),
  deviceOwner: parseName('owner', ''),
  adminStateUp: true,
  ...rest,
});

export const routerDraft = (rest: Partial<RouterDraft> = {}): RouterDraft => ({
  id: uuid(),
  name: parseName('name', ''),
  adminStateUp: true,
  routes: [],
  ...rest,
});

/** The service over memory, with time that stands still and an IPAM that does as it is told. */
export class World {
  readonly clock = new ManualClock();
  readonly ipam = new FakeIpam();
  readonly hints = new PortHints();
  readonly store: MemoryStore;
  readonly environment: Environment;
  rings = 0;

  constructor() {
    this.store = new MemoryStore('topology', this.clock);
    this.environment = {
      store: this.store,
      records,
      ipam: this.ipam,
      announce,
      clock: this.clock,
      defaultMtu: parseMtu('mtu', 1_450),
      errandBegun: () => {
        this.rings += 1;
      },
      log: nullLog,
    };
  }

  /** All that was told to others so far. */
  async events(): Promise<readonly TopologyEvent[]> {
    const stored = await this.store.read(100_000, never);
    return stored.map(({ payload }) => TopologyEvent.decode(payload));
  }

  /** `UPDATED host a`, one per event. */
  async told(): Promise<readonly string[]> {
    return (await this.events()).map(
      ({ kind, resource }) =>
        `${kind.replace('CHANGE_KIND_', '')} ${resource?.$case ?? ''} ${resource?.value.id ?? ''}`,
    );
  }

  async host(id: string, vtep: string, rest: Partial<HostSpec> = {}): Promise<Host> {
    return (await registerHost(this.environment, hostSpec(id, vtep, rest), 15_000, never)).host;
  }

  async network(rest: Partial<NetworkDraft> = {}): Promise<Network> {
    return await createNetwork(this.environment, networkDraft(rest), unasked('CreateNetwork'), never);
  }

  async port(networkId: Uuid, rest: Partial<PortDraft> = {}): Promise<Port> {
    return await createPort(this.environment, portDraft(networkId, rest), unasked('CreatePort'), never);
  }

  async router(rest: Partial<RouterDraft> = {}): Promise<Router> {
    return await createRouter(this.environment, routerDraft(rest), unasked('CreateRouter'), never);
  }

  /** A network with one /24; `prefix`: its first three bytes. */
  async subnet(prefix: string, rest: Partial<NetworkDraft> = {}): Promise<{ network: Network; subnetId: Uuid }> {
    const network = await this.network(rest);
    const subnetId = uuid();
    this.ipam.addSubnet(network.id, subnetId, prefix);
    return { network, subnetId };
  }

  /** The resource that an event carries last. */
  async last(): Promise<TopologyEvent | undefined> {
    return (await this.events()).at(-1);
  }
}
