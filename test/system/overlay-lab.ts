import { Overlay } from '#proto/weft/agent/v1/overlay.ts';
import type { OverlayServiceService } from '#proto/weft/agent/v1/overlay.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import { Connections } from '../../cli/client/connections.ts';
import { labEndpoints } from '../../cli/client/endpoints.ts';
import { standaloneAgentProcess } from '../../cli/lab-processes.ts';
import { labDown, labUp, type Lab, type RunResult } from '../../cli/lab/index.ts';
import { inPlace, tryInPlace } from './kernel.ts';

export interface OverlayLabOptions {
  readonly name: string;
  readonly hosts: number;
  readonly underlay?: 'ipv4' | 'ipv6';
  readonly mtu?: number;
}

type OverlayClient = RpcClient<typeof OverlayServiceService>;

/** Hosts with Open vSwitch whose agents stand alone; gone with its scope. */
export class OverlayLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly #connections: Connections;
  readonly #clients = new Map<string, OverlayClient>();

  private constructor(lab: Lab) {
    this.lab = lab;
    this.#connections = new Connections(async () => Promise.resolve(labEndpoints(lab.name)));
  }

  static async up(options: OverlayLabOptions): Promise<OverlayLab> {
    // A look by the clock would hide that one by an event is missing.
    const flags = ['--audit-interval-ms', '60s'];
    const signal = AbortSignal.timeout(120_000);
    // A run that was killed may have left it.
    await labDown(options.name, {}, signal);
    const lab = await labUp(
      { ...options, drivers: ['ovs'], agent: (host) => standaloneAgentProcess(host, flags) },
      signal,
    );
    return new OverlayLab(lab);
  }

  get name(): string {
    return this.lab.name;
  }

  /** The address of a host, by its number from 1. */
  address(host: string): string {
    return this.lab.hosts.find(({ name }) => name === host)?.underlayAddress ?? '';
  }

  async overlays(host: string): Promise<OverlayClient> {
    const known = this.#clients.get(host) ?? (await this.#connections.overlays(host));
    this.#clients.set(host, known);
    return known;
  }

  /** The commands that were done; fails when one of them did. */
  async apply(host: string, wish: object): Promise<readonly string[]> {
    const overlay = Overlay.fromJSON(wish);
    const { results } = await (await this.overlays(host)).applyOverlay({ overlay, validate_only: false });
    const failed = results.filter(({ done }) => !done);
    if (failed.length > 0) throw new Error(JSON.stringify(failed, undefined, 2));
    return results.map(({ operation }) => operation?.command ?? '');
  }

  async plan(host: string, wish: object): Promise<readonly string[]> {
    const overlay = Overlay.fromJSON(wish);
    const { results } = await (await this.overlays(host)).applyOverlay({ overlay, validate_only: true });
    return results.map(({ operation }) => operation?.command ?? '');
  }

  async delete(host: string, name: string): Promise<readonly string[]> {
    const { results } = await (await this.overlays(host)).deleteOverlay({ name, validate_only: false });
    return results.map(({ operation }) => operation?.command ?? '');
  }

  async get(host: string, name: string): Promise<Overlay> {
    return await (await this.overlays(host)).getOverlay({ name });
  }

  async list(host: string): Promise<readonly Overlay[]> {
    return (await (await this.overlays(host)).listOverlays({})).overlays;
  }

  /** Runs a command on a host, which must succeed. */
  async on(host: string, ...argv: readonly string[]): Promise<string> {
    return await inPlace({ lab: this.name, host }, argv);
  }

  async tryOn(host: string, ...argv: readonly string[]): Promise<RunResult> {
    return await tryInPlace({ lab: this.name, host }, argv);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections[Symbol.dispose]();
    await labDown(this.name);
  }
}
