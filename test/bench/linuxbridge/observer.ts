import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { LabWeft } from '../../system/lab-weft.ts';
import type { Observer, Sighting } from '../dataplane.ts';
import { IpMonitors, linkOf } from '../ip-monitors.ts';
import { tapOf } from '../taps.ts';

/** Watches kernels by iproute2 alone: links, and the rows of a network's VXLAN devices. */
export class KernelObserver implements Observer {
  readonly #monitors: IpMonitors;
  readonly #vteps: ReadonlyMap<string, string>;
  readonly #row: RegExp;

  private constructor(monitors: IpMonitors, lab: LabWeft, network: Network) {
    this.#monitors = monitors;
    this.#vteps = new Map(lab.lab.hosts.map(({ name, underlayAddress }) => [name, underlayAddress]));
    this.#row = new RegExp(`^(?<address>\\S+) dev vxlan-${network.segmentation_id.toString()} lladdr (?<mac>\\S+) `);
  }

  static async open(lab: LabWeft, network: Network): Promise<KernelObserver> {
    return new KernelObserver(await IpMonitors.open(lab, ['link', 'neigh']), lab, network);
  }

  tapOf(port: Port): string {
    return tapOf(port.id);
  }

  /** The FDB row has the VTEP's address, a neighbour the port's. */
  rowsOf({ mac_address, fixed_ips }: Port, host: string): readonly string[] {
    const addresses = [this.#vteps.get(host) ?? '', ...fixed_ips.map(({ ip_address }) => ip_address)];
    return addresses.map((address) => rowOf(address, mac_address));
  }

  async take(): Promise<readonly Sighting[]> {
    const sightings = this.#monitors.take().flatMap(({ line, ...when }) => {
      const { address, mac } = this.#row.exec(line)?.groups ?? {};
      const what = address === undefined || mac === undefined ? linkOf(line) : rowOf(address, mac);
      return what === undefined ? [] : [{ ...when, what }];
    });
    return await Promise.resolve(sightings);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#monitors[Symbol.asyncDispose]();
  }
}

const rowOf = (address: string, mac: string): string => `${address} at ${mac}`;
