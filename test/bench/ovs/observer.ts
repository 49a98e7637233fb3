import { fileURLToPath } from 'node:url';
import { withDeadline } from '#platform/async/deadline.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseVni } from '#platform/net/vni.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { specKey } from '../../../agents/dataplane/drivers/ovs/flow-text.ts';
import { type NetworkFlows, networkFlows } from '../../../agents/dataplane/drivers/ovs/flows.ts';
import type { LabWeft } from '../../system/lab-weft.ts';
import type { Observer, Sighting } from '../dataplane.ts';
import { IpMonitors, linkOf } from '../ip-monitors.ts';
import { spawnObserver } from '../observing-child.ts';
import { tapOf } from '../taps.ts';
import { bridgeSocket } from './switch.ts';

const FLOW_WATCH = fileURLToPath(new URL('./flow-watch.ts', import.meta.url));
const ANSWER_MS = 10_000;
/** Of other hosts' VTEPs. It is no part of what tells one flow from another. */
const UDP_PORT = 4789;

/**
 * Watches kernels by iproute2 for links, and switches by flow monitors, which tell of a flow when packets already find it.
 * One process watches all switches.
 */
export class SwitchObserver implements Observer {
  readonly #links: IpMonitors;
  readonly #flows: NetworkFlows;
  readonly #vteps: ReadonlyMap<string, string>;
  readonly #child: ReturnType<typeof spawnObserver>;
  readonly #ended: Promise<never>;
  #text = '';
  #answered: () => void = () => undefined;

  private constructor(links: IpMonitors, lab: LabWeft, network: Network) {
    this.#links = links;
    this.#flows = networkFlows(parseVni('segmentation_id', network.segmentation_id));
    this.#vteps = new Map(lab.lab.hosts.map(({ name, underlayAddress }) => [name, underlayAddress]));
    const bridges = lab.hosts.map((host) => `${host}=${bridgeSocket(lab.name, host)}`);
    this.#child = spawnObserver([process.execPath, FLOW_WATCH, ...bridges]);
    this.#child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      this.#text += chunk;
      if (this.#text === '\n' || this.#text.endsWith('\n\n')) this.#answered();
    });
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => undefined);
    this.#ended = ended.promise;
    this.#child.once('exit', () => {
      ended.reject(new Error('the flow watch has ended'));
    });
  }

  static async open(lab: LabWeft, network: Network): Promise<SwitchObserver> {
    const observer = new SwitchObserver(await IpMonitors.open(lab, ['link']), lab, network);
    await observer.take();
    return observer;
  }

  tapOf(port: Port): string {
    return tapOf(port.id);
  }

  rowsOf({ mac_address, fixed_ips }: Port, host: string): readonly string[] {
    const mac = parseMac('mac_address', mac_address);
    const vtep = { address: parseIp('vtep', this.#vteps.get(host) ?? ''), udpPort: UDP_PORT };
    const responders = fixed_ips.map(({ ip_address }) => this.#flows.responder(parseIp('ip_address', ip_address), mac));
    return [this.#flows.toRemote(mac, vtep), ...responders].map(specKey);
  }

  async take(): Promise<readonly Sighting[]> {
    const links = this.#links.take().flatMap(({ line, ...when }) => {
      const what = linkOf(line);
      return what === undefined ? [] : [{ ...when, what }];
    });
    return [...links, ...(await this.#takeFlows())];
  }

  async #takeFlows(): Promise<readonly Sighting[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answered = resolve;
    this.#text = '';
    this.#child.stdin.write('\n');
    await withDeadline(ANSWER_MS, AbortSignal.timeout(ANSWER_MS), async () => Promise.race([promise, this.#ended]));
    return this.#text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [host = '', ms = '', what = ''] = line.split(' ', 3);
        return { host, ms: Number(ms), what };
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await Promise.all([this.#links[Symbol.asyncDispose](), this.#ended.catch(() => undefined)]);
  }
}
