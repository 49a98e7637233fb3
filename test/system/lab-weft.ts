import { randomUUID } from 'node:crypto';
import type { Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import { Subnet as SubnetMessage } from '#proto/weft/ipam/v1/ipam.ts';
import type { NetworkState } from '#proto/weft/l2pop/v1/l2pop.ts';
import {
  Network as NetworkMessage,
  Port as PortMessage,
  type Network,
  type Port,
} from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import { Connections } from '../../cli/client/connections.ts';
import { labEndpoints } from '../../cli/client/endpoints.ts';
import { agentProcess, controlPlaneProcess } from '../../cli/lab-processes.ts';
import {
  labDown,
  labUp,
  vmBoot,
  vmKill,
  vmMove,
  type Guest,
  type Lab,
  type LabDriver,
  type LabProgress,
} from '../../cli/lab/index.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { sleep } from '#platform/async/sleep.ts';

export interface LabWeftOptions {
  readonly name: string;
  readonly hosts: number | readonly string[];
  /** One for each host in order, or one for all; linuxbridge when left out. */
  readonly drivers?: readonly LabDriver[];
  /** `network` or `compute`, as `drivers`; compute when left out. */
  readonly roles?: readonly string[];
  /** A wire that every host has eth1 on, and the addresses of its gateway. */
  readonly physicalNetwork?: string;
  readonly providerGateway?: readonly string[];
  readonly underlay?: 'ipv4' | 'ipv6';
  /** The first host's on the underlay. */
  readonly firstAddress?: string;
  readonly separate?: boolean;
  readonly mtu?: number;
  readonly stateDir?: string;
  readonly upFlags?: readonly string[];
  /** Of all agents, or of each by its host. */
  readonly agentFlags?: readonly string[] | ((host: string) => readonly string[]);
  readonly progress?: (progress: LabProgress) => void;
}

/** A weft in a lab: real control plane, real agents, real kernels; gone with its scope. */
export class LabWeft implements AsyncDisposable {
  readonly lab: Lab;
  readonly connections: Connections;
  readonly #subnets = new Map<string, Subnet>();

  private constructor(lab: Lab) {
    this.lab = lab;
    this.connections = new Connections(async () => Promise.resolve(labEndpoints(lab.name)));
  }

  static async up(options: LabWeftOptions, signal: AbortSignal = AbortSignal.timeout(120_000)): Promise<LabWeft> {
    const { separate = false, agentFlags = [] } = options;
    // A run that was killed may have left it.
    await labDown(options.name, {}, signal);
    const lab = await labUp(
      {
        ...options,
        controlPlane: (context) => [controlPlaneProcess(context, options.upFlags)],
        agent: (context) =>
          agentProcess(context, separate, typeof agentFlags === 'function' ? agentFlags(context.name) : agentFlags),
      },
      signal,
    );
    return new LabWeft(lab);
  }

  get name(): string {
    return this.lab.name;
  }
  get hosts(): readonly string[] {
    return this.lab.hosts.map(({ name }) => name);
  }

  async network(wish: Partial<Network> = {}): Promise<Network> {
    const network = NetworkMessage.fromPartial({ network_type: NetworkType.NETWORK_TYPE_VXLAN, ...wish });
    return await (
      await this.connections.topology()
    ).createNetwork({ network, request_id: randomUUID(), validate_only: false });
  }

  async subnet(network: Network, cidr: string, wish: Partial<Subnet> = {}): Promise<Subnet> {
    const subnet = SubnetMessage.fromPartial({ network_id: network.id, cidr, ...wish });
    const made = await (
      await this.connections.ipam()
    ).createSubnet({ subnet, request_id: randomUUID(), validate_only: false });
    this.#subnets.set(made.id, made);
    return made;
  }

  async port(network: Network, wish: Partial<Port> = {}): Promise<Port> {
    const port = PortMessage.fromPartial({ network_id: network.id, ...wish });
    return await (
      await this.connections.topology()
    ).createPort({ port, request_id: randomUUID(), validate_only: false });
  }

  async getPort(id: string): Promise<Port> {
    return await (await this.connections.topology()).getPort({ id });
  }

  async deletePort(id: string): Promise<void> {
    await (
      await this.connections.topology()
    ).deletePort({ id, etag: '', request_id: randomUUID(), validate_only: false });
  }

  async deleteNetwork(id: string): Promise<void> {
    await (
      await this.connections.topology()
    ).deleteNetwork({ id, etag: '', request_id: randomUUID(), validate_only: false });
  }

  async deleteSubnet(id: string): Promise<void> {
    await (
      await this.connections.ipam()
    ).deleteSubnet({ id, etag: '', request_id: randomUUID(), validate_only: false });
  }

  /** Boots a guest behind a tap of the port; with `dhcp` it asks for its addresses, else it has them. */
  async boot(name: string, host: string, port: Port, network: Network, dhcp = false): Promise<Guest> {
    const ips = port.fixed_ips.map(({ subnet_id, ip_address }) => {
      const cidr = this.#subnets.get(subnet_id)?.cidr ?? `${ip_address}/${ip_address.includes(':') ? '64' : '24'}`;
      return { address: ip_address, prefix: Number(cidr.slice(cidr.indexOf('/') + 1)) };
    });
    const spec = { id: port.id, mac: port.mac_address, ips, mtu: network.mtu };
    return await vmBoot({ lab: this.name, host, name, port: spec, dhcp }, AbortSignal.timeout(30_000));
  }

  async kill(name: string): Promise<void> {
    await vmKill({ lab: this.name, name }, AbortSignal.timeout(30_000));
  }

  async move(name: string, toHost: string): Promise<void> {
    await vmMove({ lab: this.name, name, toHost }, AbortSignal.timeout(60_000));
  }

  async state(networkId: string): Promise<NetworkState> {
    return await (await this.connections.l2pop()).getNetworkState({ network_id: networkId });
  }

  /** Resolves once l2pop's table has so many entries and every host has acknowledged its revision. */
  async converged(networkId: string, entries: number, withinMs = 20_000): Promise<NetworkState> {
    return await this.#until(
      networkId,
      withinMs,
      (state) => state.entry_count === entries && state.hosts.every(({ lag }) => Number(lag) === 0),
    );
  }

  /** As `converged`, and every host has read this very revision back from its kernel and found what l2pop expects. */
  async inSync(networkId: string, entries: number, withinMs = 30_000): Promise<NetworkState> {
    return await this.#until(
      networkId,
      withinMs,
      ({ entry_count, revision, hosts }) =>
        entry_count === entries &&
        hosts.every(
          ({ lag, digest, digest_revision, expected_digest }) =>
            Number(lag) === 0 && digest_revision === revision && digest === expected_digest,
        ),
    );
  }

  async #until(networkId: string, withinMs: number, good: (state: NetworkState) => boolean): Promise<NetworkState> {
    const deadline = Date.now() + withinMs;
    for (let last: unknown; ;) {
      try {
        const state = await this.state(networkId);
        if (good(state)) return state;
        last = { revision: state.revision, entries: state.entry_count, hosts: state.hosts };
      } catch (thrown) {
        last = thrown;
      }
      if (Date.now() > deadline)
        throw new Error(`network ${networkId} did not get there within ${withinMs.toString()} ms: ${describe(last)}`);
      await sleep(20, AbortSignal.timeout(60_000));
    }
  }

  prefixOf(subnetId: string): number {
    return parseCidr('cidr', this.#subnets.get(subnetId)?.cidr ?? '0.0.0.0/0').prefixLength;
  }

  async down(): Promise<void> {
    this.connections[Symbol.dispose]();
    await labDown(this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

const describe = (last: unknown): string => (last instanceof Error ? last.message : JSON.stringify(last));
