import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { HostInterface, InterfaceRoute } from '../../../model/interface.ts';
import type { NetworkFacts } from '../../../model/intent.ts';
import type { Operation, Outcome } from '../../../model/operation.ts';
import { FakeAddresses } from '../../../testing/fake-addresses.ts';
import { devicesOf } from '../devices.ts';
import { newRows } from '../dump.ts';
import { afterScript, NO_GUARDS } from '../guard-dump.ts';
import type { ObservedGuards } from '../guard-dump.ts';
import { FLOOD_MAC } from '../operations.ts';
import type { ObservedBridgeNetwork, ObservedLink } from '../observed.ts';

interface Link {
  name: string;
  alias?: string;
  kind: string;
  up: boolean;
  mtu: number;
  master?: string;
  addressGeneration: string;
  bridge?: { stp: boolean; forwardDelay: number; multicastSnooping: boolean };
  vxlan?: { vni: number; local: string; udpPort: number; learning: boolean; proxy: boolean; foreignMode: boolean };
  port?: { learning: boolean; neighbourSuppression: boolean };
}

const ENOENT = 'RTNETLINK answers: No such file or directory';

/**
 * The part of a kernel that this driver speaks to, as it behaves: rows go with their devices, a bridge's rows with the port
 * that leaves, `replace` never leaves a gap, a second device of a name is refused.
 */
export class FakeKernel {
  readonly #links = new Map<string, Link>();
  /** Of VXLAN devices: `device mac` → `address port`. */
  readonly #fdb = new Map<string, string>();
  /** Of bridges: `bridge mac` → port device. */
  readonly #bridgeFdb = new Map<string, string>();
  /** `device ip` → MAC. */
  readonly #neighbours = new Map<string, string>();
  /** `device address port`. */
  readonly #flood = new Set<string>();
  readonly #settings = new Set<string>();
  readonly #own = new FakeAddresses();
  /** The rules for guests. */
  guards: ObservedGuards = NO_GUARDS;

  /** A tap or veth that somebody else made. */
  addDevice(name: string): void {
    this.#links.set(name, { name, kind: 'veth', up: false, mtu: 1500, addressGeneration: 'eui64' });
  }

  /** Gives a device an address of the host's own, and a route by it. */
  addAddress(device: string, address: string, route: string): void {
    this.#own.add(device, address, route);
  }

  /** What of the host's own is on a device. */
  own(device: string): { readonly addresses: readonly string[]; readonly routes: readonly string[] } {
    return this.#own.on(device);
  }

  linkOf(name: string): Readonly<Link> | undefined {
    return this.#links.get(name);
  }

  /** What is the host's own on a device, as the driver reads it. */
  interfaceOf(name: string): HostInterface | undefined {
    const link = this.#links.get(name);
    if (link === undefined) return undefined;
    return {
      ...{ name, up: link.up, mtu: link.mtu },
      mac: parseMac('mac', '02:00:00:00:00:01'),
      ...(link.master !== undefined && { master: link.master }),
      addresses: this.#own.addressesOf(name),
    };
  }

  routesOf(name: string): readonly InterfaceRoute[] {
    return this.#own.routesOf(name);
  }

  hasDevice(name: string): boolean {
    return this.#links.has(name);
  }

  /** Does one step as the tool would; the tool's words when it fails. */
  run({ argv }: Operation): string | undefined {
    const [tool, noun, verb, ...words] = argv;
    if (tool === 'nft') {
      this.guards = afterScript(this.guards, noun ?? '');
      return undefined;
    }
    if (tool === 'sysctl') {
      for (const setting of argv.slice(2)) this.#settings.add(setting);
      return undefined;
    }
    if (noun === 'link' && verb === 'add') return this.#addLink(words);
    if (noun === 'link' && verb === 'del') return this.#deleteLink(words[1] ?? '');
    if (noun === 'link' && verb === 'set') return this.#setLink(words[1] ?? '', words.slice(2));
    if (noun === 'address') return this.#address(verb ?? '', words);
    if (noun === 'route') return this.#own.route(words);
    if (noun === 'neigh') return this.#neighbour(verb ?? '', words);
    if (noun === 'fdb') return this.#row(verb ?? '', words[0] ?? '', words.slice(1));
    throw new Error(`the fake kernel does not know ${argv.join(' ')}`);
  }

  /** As the driver's `apply`: removals of what is not there are done. */
  apply(operations: readonly Operation[]): readonly Outcome[] {
    return operations.map((operation) => {
      const error = this.run(operation);
      const benign = operation.kind.startsWith('delete-') && error !== undefined;
      return error === undefined || benign ? { operation } : { operation, error };
    });
  }

  observe(network: NetworkFacts): ObservedBridgeNetwork {
    const { bridge, vxlan } = devicesOf(network);
    const rows = newRows();
    const links = new Map<string, ObservedLink>();
    for (const link of this.#links.values()) {
      const { vxlan: settings, ...rest } = link;
      links.set(link.name, {
        ...rest,
        ...(settings && { vxlan: { ...settings, local: parseIp('local', settings.local) } }),
      });
    }
    for (const [key, to] of this.#fdb) {
      const [device, mac = ''] = key.split(' ');
      const [address = '', port] = to.split(' ');
      if (device === vxlan)
        rows.fdb.set(parseMac('mac', mac), { address: parseIp('dst', address), udpPort: Number(port) });
    }
    for (const [key, port] of this.#bridgeFdb) {
      const [device, mac = ''] = key.split(' ');
      if (device === bridge) rows.bridgeFdb.set(parseMac('mac', mac), port);
    }
    for (const [key, mac] of this.#neighbours) {
      const [device, ip = ''] = key.split(' ');
      if (device === vxlan) rows.neighbours.set(parseIp('ip', ip), parseMac('mac', mac));
    }
    for (const key of this.#flood) {
      const [device, text = '', port] = key.split(' ');
      if (device !== vxlan) continue;
      const address = parseIp('dst', text);
      const to = { address, udpPort: Number(port) };
      if (rows.flood.has(address)) rows.strayFlood.push(to);
      else rows.flood.set(address, to);
    }
    const { provider } = network;
    const device = provider === undefined ? undefined : this.interfaceOf(provider.device);
    const isolated = ['net.ipv6.conf', 'net.ipv4.conf'].every((path) =>
      [...this.#settings].some((setting) => setting.startsWith(`${path}.${bridge}.`)),
    );
    return {
      rows,
      links,
      isolated,
      strayFdb: rows.strayFdb,
      strayFlood: rows.strayFlood,
      ...(provider !== undefined && {
        uplink: {
          device,
          routes: this.routesOf(provider.device),
          isHostsOwn: this.#own.on(bridge).addresses.length > 0,
        },
      }),
    };
  }

  #addLink(words: readonly string[]): string | undefined {
    const value = (word: string): string => words[words.indexOf(word) + 1] ?? '';
    const name = value('name');
    if (this.#links.has(name)) return 'RTNETLINK answers: File exists';
    const base = { name, kind: value('type'), up: false, mtu: Number(value('mtu')), addressGeneration: 'eui64' };
    if (base.kind === 'bridge') {
      this.#links.set(name, { ...base, bridge: { stp: false, forwardDelay: 0, multicastSnooping: false } });
      return undefined;
    }
    if (base.kind === 'vlan') {
      const mtu = this.#links.get(value('link'))?.mtu;
      if (mtu === undefined) return `Cannot find device "${value('link')}"`;
      this.#links.set(name, { ...base, mtu });
      return undefined;
    }
    this.#links.set(name, {
      ...base,
      vxlan: {
        vni: Number(value('id')),
        local: value('local'),
        udpPort: Number(value('dstport')),
        learning: !words.includes('nolearning'),
        proxy: words.includes('proxy'),
        foreignMode: false,
      },
    });
    return undefined;
  }

  #deleteLink(name: string): string | undefined {
    if (!this.#links.delete(name)) return `Cannot find device "${name}"`;
    for (const link of this.#links.values()) if (link.master === name) this.#leave(link);
    this.#flush(name);
    for (const setting of this.#settings) if (setting.includes(`.${name}.`)) this.#settings.delete(setting);
    return undefined;
  }

  #setLink(name: string, words: readonly string[]): string | undefined {
    const link = this.#links.get(name);
    if (link === undefined) return `Cannot find device "${name}"`;
    for (let at = 0; at < words.length; at += 1) {
      const [word, value = ''] = words.slice(at);
      if (word === 'type') return this.#setType(link, words.slice(at + 1));
      if (word === 'up') link.up = true;
      if (word === 'nomaster') this.#leave(link);
      if (word === 'alias') link.alias = value;
      if (word === 'mtu') link.mtu = Number(value);
      if (word === 'addrgenmode') link.addressGeneration = value;
      if (word === 'master') {
        if (!this.#links.has(value)) return `Cannot find device "${value}"`;
        if (link.master !== value) this.#leave(link);
        link.master = value;
        link.port ??= { learning: true, neighbourSuppression: false };
      }
      if (word !== 'up' && word !== 'nomaster') at += 1;
    }
    return undefined;
  }

  #setType(link: Link, words: readonly string[]): string | undefined {
    if (words[0] === 'bridge') link.bridge = { stp: false, forwardDelay: 0, multicastSnooping: false };
    if (words[0] === 'bridge_slave') {
      if (link.port === undefined) return 'RTNETLINK answers: Operation not supported';
      link.port = { learning: words.includes('on'), neighbourSuppression: false };
    }
    if (words[0] === 'vxlan' && link.vxlan !== undefined) {
      if (words[1] === 'nolearning') link.vxlan.learning = false;
      if (words[1] === 'local') link.vxlan.local = words[2] ?? '';
    }
    return undefined;
  }

  #address(verb: string, words: readonly string[]): string | undefined {
    const device = words.at(-1) ?? '';
    return this.#links.has(device) ? this.#own.address(verb, words) : `Cannot find device "${device}"`;
  }

  #neighbour(verb: string, words: readonly string[]): string | undefined {
    const ip = words[0] ?? '';
    const device = words.at(-1) ?? '';
    if (!this.#links.has(device)) return `Cannot find device "${device}"`;
    if (verb === 'replace') this.#neighbours.set(`${device} ${ip}`, words[2] ?? '');
    else if (!this.#neighbours.delete(`${device} ${ip}`)) return ENOENT;
    return undefined;
  }

  #row(verb: string, mac: string, words: readonly string[]): string | undefined {
    const device = words[1] ?? '';
    const link = this.#links.get(device);
    if (link === undefined) return `Cannot find device "${device}"`;
    const address = words.includes('dst') ? (words[words.indexOf('dst') + 1] ?? '') : '';
    const port = words.includes('port') ? (words[words.indexOf('port') + 1] ?? '') : String(link.vxlan?.udpPort ?? 0);
    if (mac === FLOOD_MAC) {
      const row = `${device} ${address} ${port}`;
      if (verb === 'append') this.#flood.add(row);
      else if (!this.#flood.delete(row)) return ENOENT;
      return undefined;
    }
    if (words.includes('master')) {
      const row = `${link.master ?? ''} ${mac}`;
      if (link.master === undefined) return 'RTNETLINK answers: Operation not supported';
      if (verb === 'replace') this.#bridgeFdb.set(row, device);
      else if (this.#bridgeFdb.get(row) !== device) return ENOENT;
      else this.#bridgeFdb.delete(row);
    }
    if (words.includes('self')) {
      if (verb === 'replace') this.#fdb.set(`${device} ${mac}`, `${address} ${port}`);
      else if (!this.#fdb.delete(`${device} ${mac}`)) return ENOENT;
    }
    return undefined;
  }

  #leave(link: Link): void {
    if (link.master === undefined) return;
    for (const [row, device] of this.#bridgeFdb) if (device === link.name) this.#bridgeFdb.delete(row);
    delete link.master;
    delete link.port;
  }

  #flush(device: string): void {
    for (const table of [this.#fdb, this.#neighbours]) {
      for (const key of table.keys()) if (key.startsWith(`${device} `)) table.delete(key);
    }
    for (const key of this.#flood) if (key.startsWith(`${device} `)) this.#flood.delete(key);
    for (const [row, port] of this.#bridgeFdb) {
      if (port === device || row.startsWith(`${device} `)) this.#bridgeFdb.delete(row);
    }
  }
}
