import { parseIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { parseInterfaceAddress } from '../model/interface-address.ts';
import type { HostAddress, HostLink, ObservedHost, OvsBridge, OvsPort, Route } from '../model/observed.ts';
import type { OverlayStep, OvsChange } from '../model/step.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A host that behaves: it does what the steps say, and refuses what the kernel and Open vSwitch refuse. */
export class FakeHost implements ObservedHost {
  readonly links = new Map<string, Mutable<HostLink>>();
  readonly bridges = new Map<string, Mutable<OvsBridge>>();
  readonly ports = new Map<string, Mutable<OvsPort>>();
  readonly routes = new Map<IpAddress, Route>();
  readonly txChecksum = new Map<string, boolean>();
  datapathTypes: readonly string[] = ['netdev', 'system'];

  /** A Linux bridge, perhaps with addresses. */
  linuxBridge(name: string, ...addresses: readonly string[]): void {
    this.links.set(name, { name, kind: 'bridge', up: true, mtu: 1500, addresses: addresses.map(address) });
  }

  route(to: string, device = 'eth0', mtu = 1500, isLocal = false): void {
    this.routes.set(parseIp('to', to), { device, mtu, isLocal });
  }

  veth(a: string, b: string): void {
    this.#addLink({ name: a, kind: 'veth', link: b, up: false, mtu: 1500, addresses: [] });
    this.#addLink({ name: b, kind: 'veth', link: a, up: false, mtu: 1500, addresses: [] });
  }

  ovsBridge(name: string, overlay?: string): void {
    this.#change({ kind: 'add-bridge', bridge: name, overlay: overlay ?? '', datapathType: 'system' });
    if (overlay === undefined) {
      delete this.#bridge(name).overlay;
      delete this.#port(name).overlay;
    }
  }

  ovsPort(bridge: string, port: string, type = '', options: Readonly<Record<string, string>> = {}): void {
    this.#change({ kind: 'add-port', bridge, port, overlay: '', type, options, isProtected: false });
    delete this.#port(port).overlay;
  }

  /** Throws what a person would read, when the step cannot be done. */
  apply(steps: readonly OverlayStep[]): void {
    for (const step of steps) {
      if (step.ovs === undefined) this.#run(step.argv);
      else this.#change(step.ovs);
    }
  }

  delete(link: string): void {
    const found = this.links.get(link);
    if (found === undefined) throw new Error(`Cannot find device ${link}`);
    this.links.delete(link);
    if (found.kind === 'veth' && found.link !== undefined) this.links.delete(found.link);
    for (const each of this.links.values()) if (each.master === link) delete each.master;
  }

  #run(argv: readonly string[]): void {
    const [program, object, verb, ...words] = argv;
    if (program === 'ethtool') this.txChecksum.set(words[0] === 'tx' ? (verb ?? '') : '', words[1] !== 'off');
    else if (object === 'addr') this.#address(verb ?? '', words);
    else if (verb === 'add') this.veth(words[0] ?? '', words[5] ?? '');
    else if (verb === 'del') this.delete(words[1] ?? '');
    else this.#set(words);
  }

  #set([, device = '', ...words]: readonly string[]): void {
    const link = this.links.get(device);
    if (link === undefined) throw new Error(`Cannot find device "${device}"`);
    for (let at = 0; at < words.length; at += 1) {
      const word = words[at];
      if (word === 'up') link.up = true;
      else {
        at += 1;
        const value = words[at] ?? '';
        if (word === 'mtu') link.mtu = Number(value);
        else if (word === 'alias') link.alias = value;
        else if (word === 'master') {
          if (this.links.get(value)?.kind !== 'bridge') throw new Error(`${value} is no bridge`);
          link.master = value;
        } else throw new Error(`${word ?? ''}: unknown`);
      }
    }
  }

  #address(verb: string, [text = '', , device = '']: readonly string[]): void {
    const link = this.links.get(device);
    if (link === undefined) throw new Error(`Cannot find device "${device}"`);
    const wanted = address(text);
    const same = link.addresses.find((each) => each.text === text);
    const isOfNetwork = (each: HostAddress): boolean => each.network.text === wanted.network.text;
    if (verb === 'del') {
      if (same === undefined) throw new Error('Cannot assign requested address');
      const isGone = (each: HostAddress): boolean => each === same || (!same.secondary && isOfNetwork(each));
      link.addresses = link.addresses.filter((each) => !isGone(each));
    } else if (same === undefined) {
      link.addresses = [...link.addresses, { ...wanted, secondary: link.addresses.some(isOfNetwork) }];
    } else if (verb === 'add') throw new Error('File exists');
  }

  #change(change: OvsChange): void {
    switch (change.kind) {
      case 'add-bridge': {
        const { bridge, overlay, datapathType, mtuRequest } = change;
        if (this.bridges.has(bridge)) throw new Error(`bridge ${bridge} exists`);
        this.bridges.set(bridge, { name: bridge, overlay, datapathType, failMode: '' });
        const options = new Map<string, string>();
        this.ports.set(bridge, { name: bridge, bridge, isProtected: false, type: 'internal', options });
        if (mtuRequest !== undefined) this.#port(bridge).mtuRequest = mtuRequest;
        this.#addLink({ name: bridge, kind: 'tun', up: false, mtu: mtuRequest ?? 1500, addresses: [] });
        return;
      }
      case 'delete-bridge':
        this.#bridge(change.bridge);
        this.bridges.delete(change.bridge);
        this.links.delete(change.bridge);
        for (const { name, bridge } of [...this.ports.values()]) if (bridge === change.bridge) this.ports.delete(name);
        return;
      case 'add-port': {
        const { port: name, bridge, overlay, type, isProtected } = change;
        if (this.ports.has(name)) throw new Error(`port ${name} exists`);
        if (type === '' && !this.links.has(name)) throw new Error(`no device ${name}`);
        this.#bridge(bridge);
        this.ports.set(name, { name, bridge, overlay, type, isProtected, options: new Map() });
        this.#options(name, change.options);
        return;
      }
      case 'delete-port':
        if (this.#port(change.port).bridge !== change.bridge) throw new Error('another bridge has it');
        this.ports.delete(change.port);
        return;
      case 'mark-port':
        this.#port(change.port).overlay = change.overlay;
        return;
      case 'set': {
        const { bridge, port, interface: face } = change.columns;
        if (bridge?.datapathType !== undefined) this.#bridge(change.name).datapathType = bridge.datapathType;
        if (bridge?.failMode !== undefined) this.#bridge(change.name).failMode = bridge.failMode;
        if (port?.isProtected !== undefined) this.#port(change.name).isProtected = port.isProtected;
        if (face?.mtuRequest !== undefined) this.#port(change.name).mtuRequest = face.mtuRequest;
        if (face?.options !== undefined) this.#options(change.name, face.options);
      }
    }
  }

  #options(name: string, options: Readonly<Record<string, string>>): void {
    const merged = new Map([...this.#port(name).options, ...Object.entries(options)]);
    this.#port(name).options = new Map([...merged].filter(([, value]) => value !== ''));
    const tunnels = [...this.ports.values()].filter(({ type }) => type === 'vxlan').map((port) => identity(port));
    if (new Set(tunnels).size < tunnels.length) throw new Error(`${name}: File exists`);
  }

  #addLink(link: HostLink): void {
    if (this.links.has(link.name)) throw new Error('File exists');
    this.links.set(link.name, { ...link });
  }

  #bridge(name: string): Mutable<OvsBridge> {
    const bridge = this.bridges.get(name);
    if (bridge === undefined) throw new Error(`no bridge ${name}`);
    return bridge;
  }

  #port(name: string): Mutable<OvsPort> {
    const port = this.ports.get(name);
    if (port === undefined) throw new Error(`no port ${name}`);
    return port;
  }
}

const address = (text: string): HostAddress => ({ ...parseInterfaceAddress('address', text), secondary: false });

const identity = ({ options }: OvsPort): string =>
  ['remote_ip', 'local_ip', 'key', 'dst_port'].map((key) => options.get(key) ?? '').join(' ');
