import type { HostFacts, HeldNetworkFacts, ObjectNames } from './host-facts.ts';
import type { HostDevice, HostLook, SwitchBridge, SwitchPort } from './host-look.ts';
import { objectOfIds, objectOfMark, objectOfNamespace } from './marks.ts';
import type { ObjectRef } from './thing.ts';

/** What a look showed, put together with what is known: who belongs to whom. */
export class HostMap {
  readonly look: HostLook;
  readonly facts: HostFacts;
  readonly names: ObjectNames;
  readonly #byName = new Map<string, HostDevice[]>();
  readonly #byIndex = new Map<number, HostDevice[]>();
  readonly #switchPorts = new Map<string, { readonly bridge: SwitchBridge; readonly port: SwitchPort }>();

  constructor(look: HostLook, facts: HostFacts, names: ObjectNames) {
    this.look = look;
    this.facts = facts;
    this.names = names;
    for (const device of look.devices) {
      this.#byName.set(device.name, [...(this.#byName.get(device.name) ?? []), device]);
      this.#byIndex.set(device.index, [...(this.#byIndex.get(device.index) ?? []), device]);
    }
    for (const bridge of look.bridges) {
      for (const port of bridge.ports) this.#switchPorts.set(port.name, { bridge, port });
    }
  }

  /** Devices of a name, the host's first. */
  devices(name: string): readonly HostDevice[] {
    return this.#byName.get(name) ?? [];
  }

  /** The device of the host itself. */
  device(name: string): HostDevice | undefined {
    return this.devices(name).find(({ namespace }) => namespace === '');
  }

  switchPort(name: string): { readonly bridge: SwitchBridge; readonly port: SwitchPort } | undefined {
    return this.#switchPorts.get(name);
  }

  switchBridge(name: string): SwitchBridge | undefined {
    return this.look.bridges.find((bridge) => bridge.name === name);
  }

  /** What a device is in: a bridge of the kernel or of Open vSwitch. */
  bridgeOf(device: HostDevice): string | undefined {
    if (device.namespace !== '') return device.master;
    const port = this.#switchPorts.get(device.name);
    if (port !== undefined && port.bridge.name !== device.name) return port.bridge.name;
    return device.master === 'ovs-system' ? undefined : device.master;
  }

  /** The other end of a pair, when it is where we look. */
  peerOf(device: HostDevice): HostDevice | undefined {
    if (device.kind !== 'veth') return undefined;
    if (device.peerIndex === undefined) {
      return this.devices(device.lower ?? '').find(({ namespace }) => namespace === device.namespace);
    }
    return this.#byIndex
      .get(device.peerIndex)
      ?.find(
        (other) => other.kind === 'veth' && other.peerIndex === device.index && other.namespace !== device.namespace,
      );
  }

  /** What a device serves, by its mark, by Open vSwitch' record, by its namespace, or as the agent plugged it. */
  objectOf(device: HostDevice): ObjectRef | undefined {
    const marked = objectOfMark(device.alias);
    if (marked !== undefined) return marked;
    if (device.namespace !== '') return objectOfNamespace(device.namespace);
    const bridge = this.switchBridge(device.name);
    const ids = bridge?.ids ?? this.#switchPorts.get(device.name)?.port.ids;
    const recorded = ids === undefined ? undefined : objectOfIds(ids);
    return recorded ?? this.pluggedAs(device.name);
  }

  /** The port that the agent has plugged a device as. */
  pluggedAs(device: string): ObjectRef | undefined {
    const port = this.facts.ports.find((each) => each.device === device);
    return port === undefined ? undefined : { kind: 'port', id: port.portId };
  }

  /** The network that a bridge or a tunnel is of, where it is one network's. */
  networkOf(device: string): HeldNetworkFacts | undefined {
    const networks = this.facts.networks.filter(({ bridge, tunnel }) => bridge === device || tunnel === device);
    return networks.length === 1 ? networks[0] : undefined;
  }

  /** What a port is for: the server or the router that it belongs to, else itself. */
  servedBy(portId: string): ObjectRef {
    const port = this.names.ports.get(portId);
    if (port?.deviceOwner === 'network:dhcp') return { kind: 'dhcp', id: port.networkId };
    if (port?.deviceOwner.startsWith('network:router') === true) return { kind: 'router', id: port.deviceId };
    return { kind: 'port', id: portId };
  }

  /** The host behind a VTEP address. */
  hostOfVtep(address: string): string {
    for (const { remotes } of this.facts.networks) {
      const host = remotes.get(address);
      if (host !== undefined) return host;
    }
    return '';
  }
}
