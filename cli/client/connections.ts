import { AgentServiceService } from '#proto/weft/agent/v1/agent.ts';
import { ExplainServiceService } from '#proto/weft/agent/v1/explain.ts';
import { HostCheckServiceService } from '#proto/weft/agent/v1/host_check.ts';
import { LibvirtNetworkServiceService } from '#proto/weft/agent/v1/libvirt.ts';
import { OverlayServiceService } from '#proto/weft/agent/v1/overlay.ts';
import { PersistenceServiceService } from '#proto/weft/agent/v1/persistence.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { TraceServiceService } from '#proto/weft/trace/v1/trace.ts';
import { client, type RpcClient } from '#platform/rpc/client.ts';
import type { Endpoints } from './endpoints.ts';

/** Clients of the control plane and the agents, made when first used. */
export class Connections implements Disposable {
  readonly #endpoints: () => Promise<Endpoints>;
  readonly #open: { close(): void }[] = [];
  #known: Promise<Endpoints> | undefined;
  #ipam: RpcClient<typeof IpamServiceService> | undefined;
  #topology: RpcClient<typeof TopologyServiceService> | undefined;
  #l2pop: RpcClient<typeof L2populationServiceService> | undefined;
  #routers: RpcClient<typeof RouterServiceService> | undefined;
  #trace: RpcClient<typeof TraceServiceService> | undefined;

  constructor(endpoints: () => Promise<Endpoints>) {
    this.#endpoints = endpoints;
  }

  async endpoints(): Promise<Endpoints> {
    this.#known ??= this.#endpoints();
    return await this.#known;
  }

  async ipam(): Promise<RpcClient<typeof IpamServiceService>> {
    const { ipam } = await this.endpoints();
    return (this.#ipam ??= this.#kept(client(IpamServiceService, ipam)));
  }

  async topology(): Promise<RpcClient<typeof TopologyServiceService>> {
    const { topology } = await this.endpoints();
    return (this.#topology ??= this.#kept(client(TopologyServiceService, topology)));
  }

  async l2pop(): Promise<RpcClient<typeof L2populationServiceService>> {
    const { l2pop } = await this.endpoints();
    return (this.#l2pop ??= this.#kept(client(L2populationServiceService, l2pop)));
  }

  async routers(): Promise<RpcClient<typeof RouterServiceService>> {
    const { topology } = await this.endpoints();
    return (this.#routers ??= this.#kept(client(RouterServiceService, topology)));
  }

  async trace(): Promise<RpcClient<typeof TraceServiceService>> {
    const { trace } = await this.endpoints();
    return (this.#trace ??= this.#kept(client(TraceServiceService, trace)));
  }

  /** The agent of a host: of the lab, or at the address given. */
  async agent(host: string): Promise<RpcClient<typeof AgentServiceService>> {
    const { agent } = await this.endpoints();
    return this.#kept(client(AgentServiceService, agent(host)));
  }

  /** What is on a host, and where it came from: of the lab, or at the agent's address. */
  async explain(host: string): Promise<RpcClient<typeof ExplainServiceService>> {
    const { agent } = await this.endpoints();
    return this.#kept(client(ExplainServiceService, agent(host)));
  }

  /** The overlays without a control plane of a host: of the lab, or at the agent's address. */
  async overlays(host: string): Promise<RpcClient<typeof OverlayServiceService>> {
    const { agent } = await this.endpoints();
    return this.#kept(client(OverlayServiceService, agent(host)));
  }

  /** Whether a host is fit: asked of its agent, in the lab or at the agent's address. */
  async hostCheck(host: string): Promise<RpcClient<typeof HostCheckServiceService>> {
    const { agent } = await this.endpoints();
    return this.#kept(client(HostCheckServiceService, agent(host)));
  }

  /** The persistent configuration of a host: of the lab, or at the agent's address. */
  async persistence(host: string): Promise<RpcClient<typeof PersistenceServiceService>> {
    const { agent } = await this.endpoints();
    return this.#kept(client(PersistenceServiceService, agent(host)));
  }

  /** The libvirt networks of a host: of the lab, or at the agent's address. */
  async libvirt(host: string): Promise<RpcClient<typeof LibvirtNetworkServiceService>> {
    const { agent } = await this.endpoints();
    return this.#kept(client(LibvirtNetworkServiceService, agent(host)));
  }

  [Symbol.dispose](): void {
    for (const each of this.#open) each.close();
  }

  #kept<C extends { close(): void }>(made: C): C {
    this.#open.push(made);
    return made;
  }
}
