import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Operation } from '../../model/operation.ts';

/** What a namespace is for; it bears `weft:<kind>:<id>` as its mark. */
export type EdgeKind = 'dhcp' | 'router';

/** A veth pair: one end in the namespace, the other a port of a network on the host. */
export interface WantedLink {
  /** Inside: `ns-`, `qr-` or `qg-` and 11 characters of the port's id. */
  readonly name: string;
  /** On the host: `tap` and the same 11 characters. What plugs guests' taps into their network plugs this one. */
  readonly tap: string;
  readonly portId: string;
  readonly networkId: string;
  readonly mac: MacAddress;
  readonly mtu: number;
  /** Each with its prefix length, canonical, e.g. `172.16.1.2/24`. IPv6 link-local ones are the kernel's business. */
  readonly addresses: readonly string[];
}

/** A route of the namespace's main table. */
export interface WantedRoute {
  /** `default` or a canonical CIDR, a host without `/32` or `/128`, as the kernel shows it. */
  readonly destination: string;
  readonly version: 4 | 6;
  /** Next hop; without one the destination is on the link. */
  readonly via?: string;
  readonly device: string;
}

/** A neighbour that need not be asked for. */
export interface WantedNeighbour {
  readonly ip: string;
  readonly mac: MacAddress;
  readonly device: string;
}

/** A namespace as it should be. */
export interface WantedNamespace {
  readonly kind: EdgeKind;
  /** Of the network that DHCP is for, or of the router. */
  readonly id: string;
  readonly links: readonly WantedLink[];
  readonly routes: readonly WantedRoute[];
  /** Permanent ones; none when left out. */
  readonly neighbours?: readonly WantedNeighbour[];
  /** `name=value`; a device's only for links of this namespace, where a dot of the name is a slash. */
  readonly sysctls: readonly string[];
}

/** A link inside a namespace as it is. */
export interface ObservedEdgeLink {
  readonly name: string;
  readonly index: number;
  /** The other end's number, of a veth. */
  readonly peerIndex?: number;
  readonly kind?: string;
  readonly alias?: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** Without IPv6 link-local ones. */
  readonly addresses: readonly string[];
}

/** A route of the main table that somebody made: none that the kernel or a router advertisement did. */
export interface ObservedRoute {
  readonly destination: string;
  readonly version: 4 | 6;
  readonly via?: string;
  readonly device?: string;
  readonly metric?: number;
}

/** A namespace as it is. */
export interface ObservedNamespace {
  readonly links: ReadonlyMap<string, ObservedEdgeLink>;
  readonly routes: readonly ObservedRoute[];
  /** Permanent ones. */
  readonly neighbours: readonly { readonly ip: string; readonly mac: string; readonly device: string }[];
  /** Those that were asked for and that the kernel has. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** All that concerns one namespace on a host. */
export interface ObservedEdge {
  /** Undefined: there is none of that name. */
  readonly namespace: ObservedNamespace | undefined;
  /** Devices of the host that bear a name of a wanted link's tap. */
  readonly taps: ReadonlyMap<string, ObservedEdgeLink>;
}

/** A daemon that lives in a namespace, and longer than the agent. */
export interface DaemonSpec {
  readonly namespace: string;
  /** What runs in the namespace; it turns itself into a daemon, writes `pidFile`, and names `pidFile` in its arguments. */
  readonly argv: readonly string[];
  readonly pidFile: string;
}

/** How a step is done; without it the step's argv is run as it stands. */
export type EdgeAct =
  /** Its argv begins with `ip` or `ip -n NAMESPACE` and goes into a batch with its neighbours. */
  | { readonly kind: 'ip' }
  /** Its argv is run with this on its standard input. */
  | { readonly kind: 'input'; readonly input: string }
  /** Replaces a file as a whole, with the folder it is in. */
  | { readonly kind: 'write-file'; readonly path: string; readonly text: string }
  /** A file, or a folder with all in it. */
  | { readonly kind: 'remove-file'; readonly path: string }
  /** Done when it says that it is a daemon now. */
  | { readonly kind: 'start-daemon' }
  /** Does nothing when it is not the process of that pid file. */
  | { readonly kind: 'signal-daemon'; readonly daemon: DaemonSpec; readonly signal: 'SIGHUP' }
  /** SIGTERM, after two seconds SIGKILL; done when it is gone. */
  | { readonly kind: 'end-daemon'; readonly daemon: DaemonSpec };

/** A step of the edge. */
export interface EdgeStep extends Operation {
  readonly act?: EdgeAct;
}
