import { toError } from '#platform/errors/domain-error.ts';
import { parseCidr, type Cidr } from '#platform/net/cidr.ts';
import { type IpAddress } from '#platform/net/ip-address.ts';
import { VXLAN_PORT } from '#platform/net/udp-port.ts';
import { observeKernel } from '../overlay/observe.ts';
import { readSwitch } from '../overlay/switch-rows.ts';
import type { OverlayView } from '../overlay/overlays.ts';
import { OpenVswitch } from '../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchDatabase } from '../protocols/ovsdb/vswitch-database.ts';
import type { CommandRunner } from '../sys/command.ts';
import type { MtuDemand, Peer, Survey, SwitchFacts } from './survey.ts';

/** What the control plane knows of all hosts and networks. */
export interface ControlPlaneFacts {
  readonly hosts: readonly {
    readonly id: string;
    readonly address: IpAddress;
    readonly udpPort: number;
    readonly underlayMtu: number;
  }[];
  /** VXLAN networks. */
  readonly networks: readonly { readonly id: string; readonly mtu: number }[];
}

/** The host that a survey is of, as its agent knows it. */
export interface HostSources {
  /** Absent where the agent stands alone. */
  readonly mesh?: {
    readonly hostId: string;
    readonly driver: 'linuxbridge' | 'ovs';
    readonly vtep: IpAddress;
    readonly udpPort: number;
    readonly controlPlane: (signal: AbortSignal) => Promise<ControlPlaneFacts>;
    /** Networks that this host has ports of. */
    readonly held: () => readonly { readonly networkId: string; readonly mtu: number }[];
  };
  readonly integrationBridge: string;
  readonly datapath: 'auto' | 'system' | 'netdev';
  readonly overlays: () => readonly OverlayView[];
  readonly database: VswitchDatabase;
  readonly commands: CommandRunner;
}

/** What somebody asks about besides. */
export interface SurveyWish {
  readonly peers: readonly IpAddress[];
  readonly networks: readonly Cidr[];
}

/** More are not asked at once: each that is away costs seconds. */
export const MAX_PEERS = 64;

/** Reads what all checks need of the host; `notes` tell what had to be left out. */
export const surveyHost = async (
  sources: HostSources,
  wish: SurveyWish,
  signal: AbortSignal,
): Promise<{ readonly survey: Survey; readonly notes: readonly string[] }> => {
  const { mesh } = sources;
  const notes: string[] = [];
  const views = sources.overlays();
  const overlays = views.map(({ spec }) => spec);
  const known = await controlPlaneFacts(mesh, notes, signal);
  const others = known.hosts.filter(({ id }) => id !== mesh?.hostId);
  const peers = unique([
    ...wish.peers.map((address): Peer => ({ address, from: 'the request' })),
    ...overlays.flatMap(({ name, peers: far, udpPort }) =>
      far.map(({ remote }): Peer => ({ address: remote, from: `overlay ${name}`, udpPort })),
    ),
    ...others.map(({ id, address, udpPort, underlayMtu }): Peer => ({
      ...{ address, udpPort, from: `host ${id}` },
      ...(underlayMtu > 0 && { underlayMtu }),
    })),
  ]);
  if (peers.length > MAX_PEERS) {
    notes.push(`${MAX_PEERS} of ${peers.length} peers were asked; name others in the request`);
    peers.length = MAX_PEERS;
  }
  const kernel = await observeKernel(
    sources.commands,
    { peers: peers.map(({ address }) => address), narrow: [], offloads: () => false },
    signal,
  );
  const ovs = switchFacts(sources.database);
  const bearers = [...(mesh === undefined ? [] : [mesh.vtep]), ...overlays.flatMap(({ local }) => local ?? [])];
  const ways = [...kernel.routes.values()].filter(({ isLocal }) => !isLocal).map(({ device }) => device);
  const underlay = [...kernel.links.values()]
    .filter(({ addresses }) => addresses.some(({ ip }) => bearers.includes(ip)))
    .map(({ name }) => name);
  return {
    survey: {
      ...(mesh !== undefined && { driver: mesh.driver, vtep: mesh.vtep }),
      overlays,
      networks: [
        ...new Map([...overlayNetworks(overlays), ...wish.networks].map((each) => [each.text, each])).values(),
      ],
      peers: peers.filter(({ address }) => kernel.routes.get(address)?.isLocal !== true),
      demands: demandsOf(mesh?.held() ?? [], known.networks, views),
      udpPorts: portsOf(mesh?.udpPort, overlays, peers),
      links: kernel.links,
      routes: kernel.routes,
      underlay: [...new Set([...underlay, ...ways])],
      ...(ovs !== undefined && { ovs }),
      needsOvs: mesh?.driver === 'ovs' || mesh === undefined || overlays.length > 0,
      kernelTunnels: usesKernel(sources, overlays, ovs),
    },
    notes,
  };
};

const controlPlaneFacts = async (
  mesh: HostSources['mesh'],
  notes: string[],
  signal: AbortSignal,
): Promise<ControlPlaneFacts> => {
  if (mesh === undefined) return { hosts: [], networks: [] };
  try {
    return await mesh.controlPlane(signal);
  } catch (thrown) {
    signal.throwIfAborted();
    notes.push(`the control plane does not tell of other hosts: ${toError(thrown).message}`);
    return { hosts: [], networks: [] };
  }
};

const unique = (peers: readonly Peer[]): Peer[] => {
  const byAddress = new Map<IpAddress, Peer>();
  // What a later source knows beyond the first is kept.
  for (const peer of peers) byAddress.set(peer.address, { ...peer, ...byAddress.get(peer.address) });
  return [...byAddress.values()];
};

const overlayNetworks = (overlays: Survey['overlays']): readonly Cidr[] =>
  overlays.flatMap(({ addresses }) => addresses.map(({ network }) => parseCidr('network', network.text)));

const demandsOf = (
  held: readonly { readonly networkId: string; readonly mtu: number }[],
  networks: ControlPlaneFacts['networks'],
  views: readonly OverlayView[],
): readonly MtuDemand[] => {
  const here = new Set(held.map(({ networkId }) => networkId));
  return [
    ...held.map(({ networkId, mtu }) => ({ what: `network ${networkId}`, mtu, held: true })),
    ...networks.filter(({ id }) => !here.has(id)).map(({ id, mtu }) => ({ what: `network ${id}`, mtu, held: false })),
    ...views.flatMap(({ spec, status }) => {
      const mtu = status.mtu ?? spec.mtu;
      return mtu === undefined ? [] : [{ what: `overlay ${spec.name}`, mtu, held: true }];
    }),
  ];
};

/** Its own; and 8472 as well where peers use that, since a peer sends to the port that it takes VXLAN at. */
const portsOf = (own: number | undefined, overlays: Survey['overlays'], peers: readonly Peer[]): readonly number[] => {
  const ports = new Set([
    ...(own === undefined ? [] : [own]),
    ...overlays.map(({ udpPort }) => udpPort as number),
    ...peers.flatMap(({ udpPort }) => udpPort ?? []),
  ]);
  return ports.size === 0 ? [VXLAN_PORT] : [...ports].sort((a, b) => a - b);
};

const switchFacts = ({ replica }: VswitchDatabase): SwitchFacts | undefined => {
  if (!replica.current) return undefined;
  const [root] = replica.rows(OpenVswitch).values();
  return {
    ...readSwitch({ rows: (table) => replica.rows(table) }),
    ...(root?.ovs_version !== undefined && { version: root.ovs_version }),
  };
};

const usesKernel = (
  { mesh, integrationBridge, datapath }: HostSources,
  overlays: Survey['overlays'],
  ovs: SwitchFacts | undefined,
): boolean => {
  if (mesh?.driver === 'linuxbridge') return true;
  if (ovs === undefined) return datapath !== 'netdev';
  const bridges = [
    ...(mesh === undefined ? [] : [integrationBridge]),
    ...overlays.map(({ bridge }) => bridge as string),
  ];
  const wanted = datapath === 'auto' ? (ovs.datapathTypes.includes('system') ? 'system' : 'netdev') : datapath;
  const types = (bridges.length === 0 ? [''] : bridges).map((name) => ovs.bridges.get(name)?.datapathType ?? wanted);
  return types.some((type) => type !== 'netdev');
};
