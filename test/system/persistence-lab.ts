import { expect } from 'vitest';
import { DeviceSet, PersistenceState } from '#proto/weft/agent/v1/persistence.ts';
import type {
  ApplyPersistenceResponse,
  Persistence,
  PersistenceFormat,
  PersistenceServiceService,
} from '#proto/weft/agent/v1/persistence.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import { Connections } from '../../cli/client/connections.ts';
import { labEndpoints } from '../../cli/client/endpoints.ts';
import { OverlayLab } from './overlay-lab.ts';
import type { OverlayLabOptions } from './overlay-lab.ts';

type Dumped = Readonly<Record<string, unknown>>;

/** What is asked for. */
export interface PersistenceRequest {
  readonly name: string;
  readonly format: PersistenceFormat;
  readonly devices?: object;
}

/** Hosts with Open vSwitch whose agents stand alone, as one asks for persistent configuration there; gone with its scope. */
export class PersistenceLab implements AsyncDisposable {
  readonly overlay: OverlayLab;
  readonly #connections: Connections;
  readonly #clients = new Map<string, RpcClient<typeof PersistenceServiceService>>();

  private constructor(overlay: OverlayLab) {
    this.overlay = overlay;
    this.#connections = new Connections(async () => Promise.resolve(labEndpoints(overlay.name)));
  }

  static async up(options: OverlayLabOptions): Promise<PersistenceLab> {
    return new PersistenceLab(await OverlayLab.up(options));
  }

  async client(host: string): Promise<RpcClient<typeof PersistenceServiceService>> {
    const known = this.#clients.get(host) ?? (await this.#connections.persistence(host));
    this.#clients.set(host, known);
    return known;
  }

  async tryApply(host: string, request: PersistenceRequest, validateOnly = false): Promise<ApplyPersistenceResponse> {
    const { name, format, devices } = request;
    const set = devices === undefined ? undefined : DeviceSet.fromJSON(devices);
    return await (
      await this.client(host)
    ).applyPersistence({ name, format, devices: set, validate_only: validateOnly });
  }

  /** The commands that were done; fails when one of them did. */
  async apply(host: string, request: PersistenceRequest): Promise<readonly string[]> {
    const { results } = await this.tryApply(host, request);
    const failed = results.filter(({ done }) => !done);
    if (failed.length > 0) throw new Error(JSON.stringify(failed, undefined, 2));
    return results.map(({ operation }) => operation?.command ?? '');
  }

  async get(host: string, name: string): Promise<Persistence> {
    return await (await this.client(host)).getPersistence({ name });
  }

  async delete(host: string, name: string): Promise<readonly string[]> {
    const { results } = await (await this.client(host)).deletePersistence({ name, validate_only: false });
    return results.map(({ operation }) => operation?.command ?? '');
  }

  async isInSync(host: string, name: string): Promise<void> {
    const { differences, state } = await this.get(host, name);
    expect(differences).toEqual([]);
    expect(state).toBe(PersistenceState.PERSISTENCE_STATE_IN_SYNC);
  }

  /** Takes away all that tests have asked the agents for. */
  async clean(): Promise<void> {
    for (const { name: host } of this.overlay.lab.hosts) {
      for (const { name } of (await (await this.client(host)).listPersistence({})).persistence)
        await this.delete(host, name);
      for (const { name } of await this.overlay.list(host)) await this.overlay.delete(host, name);
    }
  }

  /** What a reboot must bring back of devices: all but what the kernel makes up anew. */
  async stateOf(host: string, devices: readonly string[]): Promise<readonly Dumped[]> {
    const dumped = JSON.parse(await this.overlay.on(host, 'ip', '-json', '-details', 'addr', 'show')) as Dumped[];
    return dumped
      .filter(({ ifname }) => devices.includes(String(ifname)))
      .map(({ ifname, mtu, master, link, flags, linkinfo, ifalias: alias, addr_info: addresses }) => {
        const { info_kind: kind, info_data: data } = linkinfo as { info_kind: string; info_data?: Dumped };
        const { id, local, remote, port, stp_state: stp } = data ?? {};
        return {
          ...{ ifname, mtu, master, link, kind, alias, id, local, remote, port, stp },
          up: (flags as string[]).includes('UP'),
          addresses: (addresses as Dumped[])
            .filter(({ scope }) => scope !== 'link')
            .map((each) => `${String(each['local'])}/${String(each['prefixlen'])}`),
        };
      })
      .sort((a, b) => (String(a.ifname) < String(b.ifname) ? -1 : 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections[Symbol.dispose]();
    await this.overlay[Symbol.asyncDispose]();
  }
}
