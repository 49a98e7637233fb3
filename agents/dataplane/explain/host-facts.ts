import type { ObjectRef } from './thing.ts';

/** What the agent itself knows of its host, beside what a look shows. */
export interface HostFacts {
  readonly hostId: string;
  /** Absent where the agent stands alone. */
  readonly driver?: 'linuxbridge' | 'ovs';
  readonly vtep?: string;
  readonly networks: readonly HeldNetworkFacts[];
  readonly ports: readonly PluggedPort[];
  /** By interface or bridge, the physical network that it leads to. */
  readonly physicalNetworks: ReadonlyMap<string, string>;
}

export interface HeldNetworkFacts {
  readonly networkId: string;
  readonly vni: number;
  readonly bridge: string;
  readonly tunnel: string;
  /** By VTEP address, the host. */
  readonly remotes: ReadonlyMap<string, string>;
}

export interface PluggedPort {
  readonly portId: string;
  readonly networkId: string;
  readonly device: string;
  readonly mac: string;
  readonly ips: readonly string[];
}

/** What the control plane knows of the objects of this host; nothing while it is away. */
export interface ObjectNames {
  readonly reached: boolean;
  readonly networks: ReadonlyMap<string, string>;
  readonly routers: ReadonlyMap<string, string>;
  readonly ports: ReadonlyMap<string, PortName>;
}

/** What the control plane knows of a port. */
export interface PortName {
  readonly name: string;
  readonly networkId: string;
  readonly mac: string;
  readonly ips: readonly string[];
  /** What it belongs to, and what kind of thing that is. */
  readonly deviceId: string;
  readonly deviceOwner: string;
}

/** An object's name, empty where it is not known. */
export const nameOf = ({ kind, id }: ObjectRef, names: ObjectNames): string => {
  switch (kind) {
    case 'network':
    case 'dhcp':
      return names.networks.get(id) ?? '';
    case 'router':
      return names.routers.get(id) ?? '';
    case 'port':
      return names.ports.get(id)?.name ?? '';
    case 'overlay':
      return id;
    case 'host':
      return '';
  }
};

/** An object as a phrase: `DHCP of network blue`, `port vm1`. */
export const phraseOf = (object: ObjectRef, names: ObjectNames): string => {
  const called = nameOf(object, names) || object.id;
  switch (object.kind) {
    case 'dhcp':
      return `DHCP of network ${called}`;
    case 'host':
      return 'all networks of this host';
    case 'network':
    case 'port':
    case 'router':
    case 'overlay':
      return `${object.kind} ${called}`;
  }
};
