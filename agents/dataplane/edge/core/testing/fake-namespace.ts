import type { EdgeStep, ObservedEdge, ObservedEdgeLink, ObservedRoute } from '../model.ts';

interface Link extends Omit<ObservedEdgeLink, 'addresses'> {
  mac: string;
  mtu: number;
  up: boolean;
  alias?: string;
  addresses: string[];
}

interface Namespace {
  links: Map<string, Link>;
  routes: ObservedRoute[];
  neighbours: { ip: string; mac: string; device: string }[];
  sysctls: Map<string, string>;
}

/** What a kernel does with the steps about one namespace; throws for a step that a kernel would refuse. */
export class FakeNamespace {
  namespace: Namespace | undefined;
  readonly taps = new Map<string, Link>();
  #index = 10;

  observe(): ObservedEdge {
    const copy = structuredClone({ namespace: this.namespace, taps: this.taps });
    return { namespace: copy.namespace, taps: copy.taps };
  }

  apply(steps: readonly EdgeStep[]): void {
    for (const step of steps) this.#run(step.argv);
  }

  #run(argv: readonly string[]): void {
    const words = argv[1] === '-n' ? argv.slice(3) : argv.slice(1);
    const [object = '', verb = '', ...rest] = words;
    if (object === 'netns' && verb === 'exec') this.#sysctl(rest);
    else if (object === 'netns') this.#netns(verb);
    else if (object === 'link') this.#link(argv[1] === '-n', verb, rest);
    else if (object === 'addr') this.#address(verb, rest);
    else if (object === 'route') this.#route(verb, rest);
    else if (object === 'neigh') this.#neighbour(verb, rest);
    else throw new Error(argv.join(' '));
  }

  get #there(): Namespace {
    if (this.namespace === undefined) throw new Error('no namespace');
    return this.namespace;
  }

  #device(name: string | undefined): Link {
    const link = this.#there.links.get(name ?? '');
    if (link === undefined) throw new Error(`Cannot find device ${name ?? ''}`);
    return link;
  }

  #sysctl(argv: readonly string[]): void {
    for (const setting of argv.filter((word) => word.includes('='))) {
      const [name = '', value = ''] = setting.split('=');
      this.#there.sysctls.set(name, value);
    }
  }

  #netns(verb: string): void {
    if (verb === 'add') {
      if (this.namespace !== undefined) throw new Error('File exists');
      const lo = { name: 'lo', index: 1, mac: '00:00:00:00:00:00', mtu: 65_536, up: false, addresses: [] };
      this.namespace = { links: new Map([['lo', lo]]), routes: [], neighbours: [], sysctls: new Map() };
    } else {
      for (const name of this.#there.links.keys()) if (name !== 'lo') this.#remove(name);
      this.namespace = undefined;
    }
  }

  #link(isInside: boolean, verb: string, rest: readonly string[]): void {
    if (verb === 'add') {
      const [tap = '', , , , , name = ''] = rest;
      if (this.taps.has(tap) || this.#there.links.has(name)) throw new Error('File exists');
      const [index, peerIndex] = [(this.#index += 1), (this.#index += 1)];
      const both = { kind: 'veth', mac: 'fe:00:00:00:00:01', mtu: 1_500, up: false };
      this.#there.links.set(name, { ...both, name, index, peerIndex, addresses: [] });
      this.taps.set(tap, { ...both, name: tap, index: peerIndex, peerIndex: index, addresses: [] });
    } else if (verb === 'del') {
      const name = rest[1] ?? '';
      if (isInside) this.#remove(name);
      else this.#removeTap(name);
    } else {
      const [, name = '', ...settings] = rest;
      const link = isInside ? this.#device(name) : this.taps.get(name);
      if (link === undefined) throw new Error(`Cannot find device ${name}`);
      for (let at = 0; at < settings.length; at += 1) {
        const word = settings[at];
        if (word === 'up') link.up = true;
        else if (word === 'alias') link.alias = settings[(at += 1)] ?? '';
        else if (word === 'mtu') link.mtu = Number(settings[(at += 1)]);
        else if (word === 'address') link.mac = settings[(at += 1)] ?? '';
      }
    }
  }

  #remove(name: string): void {
    const link = this.#device(name);
    const there = this.#there;
    there.links.delete(name);
    there.routes = there.routes.filter(({ device }) => device !== name);
    there.neighbours = there.neighbours.filter(({ device }) => device !== name);
    for (const [tap, { index }] of this.taps) if (index === link.peerIndex) this.taps.delete(tap);
  }

  #removeTap(tap: string): void {
    const { index } = this.taps.get(tap) ?? { index: -1 };
    this.taps.delete(tap);
    for (const [name, { peerIndex }] of this.namespace?.links ?? []) if (peerIndex === index) this.#remove(name);
  }

  #address(verb: string, rest: readonly string[]): void {
    const link = this.#device(rest.at(-1));
    const [address = ''] = rest;
    const [ip = ''] = address.split('/');
    if (verb === 'del') link.addresses = link.addresses.filter((each) => each !== address);
    else {
      if (link.addresses.some((each) => each.startsWith(`${ip}/`))) throw new Error('File exists');
      link.addresses.push(address);
    }
  }

  #route(verb: string, rest: readonly string[]): void {
    const [word = ''] = rest;
    const via = rest.includes('via') ? rest[rest.indexOf('via') + 1] : undefined;
    const device = rest[rest.indexOf('dev') + 1] ?? '';
    const version = word.includes(':') ? 6 : 4;
    const destination = word === '::/0' ? 'default' : word;
    const there = this.#there;
    if (verb === 'replace' && !this.#device(device).up) throw new Error('Network is down');
    there.routes = there.routes.filter((each) => each.version !== version || each.destination !== destination);
    if (verb === 'replace') there.routes.push({ version, destination, device, ...(via !== undefined && { via }) });
  }

  #neighbour(verb: string, rest: readonly string[]): void {
    const device = rest[rest.indexOf('dev') + 1] ?? '';
    const [ip = ''] = rest;
    const there = this.#there;
    there.neighbours = there.neighbours.filter((each) => each.ip !== ip || each.device !== device);
    if (verb !== 'replace') return;
    if (!this.#device(device).up) throw new Error('Network is down');
    there.neighbours.push({ ip, mac: rest[rest.indexOf('lladdr') + 1] ?? '', device });
  }
}
