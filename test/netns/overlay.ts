import { parseUnicastIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { nullLog } from '#platform/log/log.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid, tapName } from '#platform/net/names.ts';
import { parseVni } from '#platform/net/vni.ts';
import { LinuxBridgeDataplane } from '../../agents/dataplane/drivers/linuxbridge/dataplane.ts';
import type {
  ForwardingEntry,
  HostIdentity,
  LocalPort,
  NetworkFacts,
  NetworkIntent,
  Vtep,
} from '../../agents/dataplane/model/intent.ts';
import type { Operation, Outcome } from '../../agents/dataplane/model/operation.ts';
import type { PortSecurity } from '../../agents/dataplane/model/port-security.ts';
import type { Namespace, Namespaces } from './namespaces.ts';

export const signal = AbortSignal.timeout(600_000);

/** A network id, by number. */
export const facts = (n: number, mtu = 1450): NetworkFacts => ({
  networkId: parseUuid('id', `${n.toString(16).padStart(8, '0')}-0000-4000-8000-00000000000a`),
  vni: parseVni('vni', 70 + n),
  mtu,
});

const portId = (n: number): string => `${n.toString(16).padStart(8, '0')}-1111-4000-8000-00000000000b`;

/** A port's record, wherever it is: MAC address and addresses follow from its number. */
export interface Port {
  readonly portId: string;
  readonly mac: ReturnType<typeof parseMac>;
  readonly ips: readonly IpAddress[];
  readonly device: string;
}

export const port = (n: number): Port => ({
  portId: portId(n),
  mac: parseMac(
    'mac',
    `fa:16:3e:${[n >> 16, (n >> 8) & 255, n & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`,
  ),
  ips: [
    parseUnicastIp('ip', `10.0.${(n >> 8).toString()}.${(n & 255).toString()}`),
    parseUnicastIp('ip', `fd00::${n.toString(16)}`),
  ],
  device: tapName(parseUuid('id', portId(n))),
});

/** A host that runs the dataplane in a namespace of its own. */
export interface Host extends AsyncDisposable {
  readonly namespace: Namespace;
  readonly identity: HostIdentity;
  readonly dataplane: LinuxBridgeDataplane;
}

export const vtep = (hostId: string, address: string, udpPort = 4789): Vtep => ({
  hostId,
  address: parseUnicastIp('vtep', address),
  udpPort,
});

/** Starts the dataplane in a namespace. */
export const startHost = async (namespace: Namespace, self: Vtep): Promise<Host> => {
  const dataplane = new LinuxBridgeDataplane({ log: nullLog, prefix: namespace.prefix });
  await dataplane.start(signal);
  return {
    namespace,
    identity: { hostId: self.hostId, vtep: self },
    dataplane,
    [Symbol.asyncDispose]: async () => {
      await dataplane.stop();
    },
  };
};

/** Two hosts with an underlay between them, IPv4 and IPv6. */
export const twoHosts = async (namespaces: Namespaces, version: 4 | 6 = 4): Promise<readonly [Host, Host]> => {
  const [a, b] = [await namespaces.add('a'), await namespaces.add('b')];
  await a.veth('eth0', b, 'eth0');
  const addresses = version === 4 ? (['192.0.2.1', '192.0.2.2'] as const) : (['2001:db8::1', '2001:db8::2'] as const);
  for (const [index, namespace] of [a, b].entries()) {
    const address = `${addresses[index] ?? ''}/${version === 4 ? '24' : '64'}`;
    await namespace.must('ip', 'addr', 'add', address, 'dev', 'eth0', ...(version === 4 ? [] : ['nodad']));
    await namespace.must('ip', 'link', 'set', 'eth0', 'mtu', '1600', 'up');
  }
  return [await startHost(a, vtep('host-a', addresses[0])), await startHost(b, vtep('host-b', addresses[1]))];
};

/** A guest: a namespace behind a tap-named veth of the host. */
export const bootGuest = async (namespaces: Namespaces, host: Host, guest: Port, mtu = 1450): Promise<Namespace> => {
  const namespace = await namespaces.add('guest');
  await plugGuest(host, namespace, guest, mtu);
  return namespace;
};

export const plugGuest = async (host: Host, namespace: Namespace, guest: Port, mtu = 1450): Promise<void> => {
  await host.namespace.veth(guest.device, namespace, 'eth0', guest.mac);
  for (const ip of guest.ips) {
    await namespace.must(
      'ip',
      'addr',
      'add',
      `${ip}/${ip.includes(':') ? '64' : '16'}`,
      'dev',
      'eth0',
      ...(ip.includes(':') ? ['nodad'] : []),
    );
  }
  await namespace.must('ip', 'link', 'set', 'eth0', 'mtu', mtu.toString(), 'up');
};

/** A port that may send what it likes, as tests of other things want it. */
export const localPort = (of: Port, generation = 1n, security: PortSecurity = UNCHECKED): LocalPort => ({
  ...of,
  generation,
  security,
});

const UNCHECKED: PortSecurity = { enabled: false, pairs: [], revision: 1n };

export const entryOf = (of: Port, at: Vtep, generation = 1n): ForwardingEntry => ({ ...of, vtep: at, generation });

/** An intent of a host, from who is plugged there and who is where. */
export const intentOf = (
  self: HostIdentity,
  network: NetworkFacts,
  plugged: readonly LocalPort[],
  entries: readonly ForwardingEntry[],
  manualFlood: readonly IpAddress[] = [],
): NetworkIntent => ({
  ...network,
  ports: new Map(plugged.map((each) => [each.portId, each])),
  entries: new Map(entries.map((each) => [each.portId, each])),
  remoteVteps: new Map(
    entries.filter((each) => each.vtep.hostId !== self.hostId).map((each) => [each.vtep.address, each.vtep]),
  ),
  manualFlood: new Set(manualFlood),
});

/** Observes, plans and applies; the steps that were done. Throws at a step that failed. */
export const reconcile = async (host: Host, intent: NetworkIntent): Promise<readonly Operation[]> => {
  const { dataplane, identity } = host;
  const operations = await dataplane.plan(identity, intent, await dataplane.observe(intent, signal));
  allDone(await dataplane.apply(operations, signal));
  return operations;
};

export const allDone = (outcomes: readonly Outcome[]): void => {
  const failed = outcomes.filter(({ error }) => error !== undefined);
  if (failed.length > 0)
    throw new Error(failed.map(({ operation, error }) => `${operation.argv.join(' ')}: ${error ?? ''}`).join('\n'));
};
