import { withDeadline } from '#platform/async/deadline.ts';
import type { Log } from '#platform/log/log.ts';
import type { OwnedNetwork } from '../../model/host.ts';
import type { NetworkFacts, NetworkIntent, ProviderSegment } from '../../model/intent.ts';
import type { UplinkSettings } from '../../model/uplinks.ts';
import { uplinkRefusal } from '../../plan/uplink.ts';
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts';
import type { RowChange } from '../../protocols/ovsdb/replicated-rows.ts';
import { Bridge, Interface, Port } from '../../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchTable } from '../../protocols/ovsdb/vswitch-tables.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { readInterface } from '../../sys/interfaces.ts';
import type { Dial } from '../../sys/stream-socket.ts';
import type { SwitchTools } from './apply.ts';
import { patchNames, providerBridgeName } from './devices.ts';
import { named } from './flow-spec.ts';
import type { HostAddresses } from './host-addresses.ts';
import { BRIDGE_MARK, physicalMark } from './marks.ts';
import type { ObservedProvider } from './observed.ts';
import { BASE_COOKIE, CONTROLLER_ID, WHOLE_COOKIE } from './pipeline.ts';
import { PortNumbers } from './port-numbers.ts';
import type { ProviderBridge } from './site.ts';
import { SwitchView } from './switch-view.ts';
import type { SwitchRows } from './switch-view.ts';

export interface ProviderBridgesOptions {
  readonly settings: UplinkSettings;
  readonly rows: SwitchRows;
  /** The integration bridge. */
  readonly inner: SwitchView;
  readonly commands: CommandRunner;
  readonly addresses: HostAddresses;
  readonly dial: Dial;
  readonly runDir: string;
  readonly log: Log;
  /** Told the patch port of a bridge of which something may be otherwise than it was. */
  readonly suspect: (patch: string, why: string) => void;
}

interface Known {
  readonly view: SwitchView;
  readonly numbers: PortNumbers;
  readonly openflow: OpenFlowConnection;
  readonly leaving: Set<string>;
}

type Home = Pick<OwnedNetwork, 'home'>;

const CONNECT_MS = 5_000;
/** IFNAMSIZ less the byte that ends it. */
const MAX_NAME = 15;

/** The bridges that lead from the integration bridge to physical networks, each with a connection of its own while it is there. */
export class ProviderBridges {
  readonly #options: ProviderBridgesOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: ProviderBridgesOptions) {
    this.#options = options;
  }

  /** Where a physical network is: a bridge that somebody else has made, or the agent's own with the interface in it. */
  readonly bridgeOf = ({ physicalNetwork, device }: ProviderSegment): ProviderBridge => {
    const own = providerBridgeName(physicalNetwork);
    return this.#view(device).bridgeRow === undefined ? { name: own, uplink: device } : { name: device };
  };

  /** The bridge by which networks here are led to a physical network, also one that is mapped no more. */
  bridgeInUse(physicalNetwork: string): { readonly name: string; readonly isOurs: boolean } {
    const device = this.#options.settings.mappings.get(physicalNetwork);
    const { name } =
      device === undefined ? { name: providerBridgeName(physicalNetwork) } : this.bridgeOf({ physicalNetwork, device });
    return { name, isOurs: this.#view(name).bridgeRow?.row.external_ids.has(BRIDGE_MARK) === true };
  }

  /** Whether a device is one of these bridges, an end of its cable or an interface in it. */
  isOwnDevice(name: string): boolean {
    for (const [physicalNetwork, device] of this.#options.settings.mappings) {
      for (const bridge of [device, providerBridgeName(physicalNetwork)]) {
        const { inner, outer } = patchNames(bridge);
        if (name === bridge || name === inner || name === outer) return true;
      }
    }
    return false;
  }

  /** What the switch's database now says of ports. */
  update(changes: readonly RowChange<VswitchTable>[]): void {
    const touched = new Set(changes.flatMap((change) => nameOf(change) ?? []));
    for (const [bridge, { view, numbers }] of this.#known) {
      const { inner, outer } = patchNames(bridge);
      const renumbered = numbers.update(view.ports());
      const parts = [bridge, inner, outer, ...this.#options.settings.mappings.values()];
      if (renumbered.length > 0 || parts.some((name) => touched.has(name)))
        this.#options.suspect(inner, `${bridge} has changed`);
    }
  }

  async observe({ provider, vni }: NetworkIntent, signal: AbortSignal): Promise<ObservedProvider | undefined> {
    if (provider === undefined) return undefined;
    const { inner } = this.#options;
    const { name, uplink } = this.bridgeOf(provider);
    const known = this.#bridge(name);
    const row = known.view.bridgeRow?.row;
    const isOurs = row?.external_ids.has(BRIDGE_MARK) === true;
    const datapathType = inner.bridgeRow?.row.datapath_type ?? '';
    const mayBear = uplink !== undefined && (row === undefined || isOurs);
    return {
      ...(row !== undefined && { bridge: { datapathType: row.datapath_type, failMode: row.fail_mode, isOurs } }),
      ports: known.view.ports(),
      flows: uplink !== undefined && isOurs ? await this.#flows(known, signal) : [],
      mark: inner.bridgeRow?.row.external_ids.get(physicalMark(vni)),
      datapathType,
      own: mayBear ? await this.#options.addresses.observe(name, uplink, datapathType, signal) : { isExposed: false },
    };
  }

  /** What a bridge of the agent's own has to give back to the interface in it. */
  async home({ name, isOurs }: ReturnType<ProviderBridges['bridgeInUse']>, signal: AbortSignal): Promise<Home> {
    const { inner, addresses } = this.#options;
    const view = this.#view(name);
    const { outer } = patchNames(name);
    const uplink = [...view.ports().values()].find((port) => port.isOurs && port.device !== outer)?.device;
    const datapathType = inner.bridgeRow?.row.datapath_type ?? '';
    const home = isOurs && uplink !== undefined && (await addresses.home(name, uplink, datapathType, signal));
    return home ? { home } : {};
  }

  /** What doing needs of one of these bridges. */
  toolsOf(bridge: string, shared: Pick<SwitchTools, 'sysctl' | 'transact'>): SwitchTools {
    const known = this.#bridge(bridge);
    return {
      ...shared,
      view: known.view,
      numbers: known.numbers,
      leaving: known.leaving,
      changeFlows: async (mods, signal) => {
        await this.#connected(known, signal);
        return await known.openflow.apply(mods, signal);
      },
    };
  }

  /** Ends the connections to bridges that are no more. */
  async forgetGone(): Promise<void> {
    for (const [name, { view, openflow }] of this.#known) {
      if (view.bridgeRow !== undefined) continue;
      this.#known.delete(name);
      await openflow.stop();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#known.values()].map(async ({ openflow }) => openflow.stop()));
    this.#known.clear();
  }

  /** What speaks against a network on a physical network, on this host as it is now. */
  async refusal(network: NetworkFacts, signal: AbortSignal): Promise<string | undefined> {
    const { provider } = network;
    if (provider === undefined) return undefined;
    const { settings, commands } = this.#options;
    const { name, uplink } = this.bridgeOf(provider);
    if (uplink === undefined) return undefined;
    if (name.length > MAX_NAME) {
      return (
        `host ${settings.hostId} cannot make a bridge ${name}, whose name would have more than 15 characters: make one by hand ` +
        `with ${uplink} in it, and map that (--bridge-mappings ${provider.physicalNetwork}:BRIDGE)`
      );
    }
    const holder = this.holderOf(uplink);
    if (holder === name) return undefined;
    if (holder !== undefined) {
      return `interface ${uplink} of host ${settings.hostId} is in bridge ${holder} already; map that (--bridge-mappings ${provider.physicalNetwork}:${holder})`;
    }
    const { hostId, movesAddresses } = settings;
    const found = await readInterface(commands, uplink, signal);
    const request = { hostId, network, provider, bridge: name, isTaken: true, movesAddresses };
    return this.#options.addresses.refusal(uplink, found) ?? uplinkRefusal(request, found);
  }

  /** The bridge of Open vSwitch that has an interface. */
  holderOf(device: string): string | undefined {
    const { rows } = this.#options;
    const interfaces = rows.rows(Interface);
    for (const [uuid, port] of rows.rows(Port)) {
      if (!port.interfaces.some((each) => interfaces.get(each)?.name === device)) continue;
      for (const bridge of rows.rows(Bridge).values()) if (bridge.ports.includes(uuid)) return bridge.name;
    }
    return undefined;
  }

  #view(bridge: string): SwitchView {
    return this.#known.get(bridge)?.view ?? new SwitchView(this.#options.rows, bridge);
  }

  #bridge(name: string): Known {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const { rows, dial, runDir, log, suspect } = this.#options;
    const { inner } = patchNames(name);
    const told = (): void => {
      suspect(inner, `flows of ${name} have changed`);
    };
    const view = new SwitchView(rows, name);
    const numbers = new PortNumbers();
    numbers.update(view.ports());
    const openflow = new OpenFlowConnection({
      ...{ dial, log, path: `${runDir}/${name}.mgmt`, onConnected: told, onLost: () => undefined },
      news: { controllerId: CONTROLLER_ID, flowChanged: told, flowsMissed: told, packet: () => undefined },
    });
    const made = { view, numbers, openflow, leaving: new Set<string>() };
    this.#known.set(name, made);
    return made;
  }

  async #flows(known: Known, signal: AbortSignal): Promise<ObservedProvider['flows']> {
    await this.#connected(known, signal);
    const flows = await known.openflow.dump({ cookie: BASE_COOKIE, cookieMask: WHOLE_COOKIE }, signal);
    return flows.map((flow) => named(flow, (port) => known.numbers.nameOf(port)));
  }

  async #connected({ openflow }: Known, signal: AbortSignal): Promise<void> {
    await withDeadline(CONNECT_MS, signal, async (limited) => openflow.start(limited));
  }
}

const nameOf = (change: RowChange<VswitchTable>): string | undefined => {
  if (change.table !== 'Bridge' && change.table !== 'Port' && change.table !== 'Interface') return undefined;
  return (change.after ?? change.before)?.name;
};
