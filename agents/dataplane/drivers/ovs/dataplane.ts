import { withDeadline } from '#platform/async/deadline.ts';
import { inTurns } from '#platform/async/turns.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { parseUuid } from '#platform/net/names.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { Dataplane, KernelEvent, LinkEvent, NetworkDevices, OwnedNetwork } from '../../model/host.ts';
import type { HostIdentity, LocalPort, NetworkChange, NetworkFacts, NetworkIntent } from '../../model/intent.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import type { SpoofedFrames } from '../../model/port-security.ts';
import { NO_UPLINKS } from '../../model/uplinks.ts';
import type { UplinkSettings } from '../../model/uplinks.ts';
import { isolationOf } from '../../plan/isolation.ts';
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts';
import { Interface } from '../../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchDatabase } from '../../protocols/ovsdb/vswitch-database.ts';
import { HostCommands } from '../../sys/command.ts';
import { EventQueue } from '../../sys/event-queue.ts';
import { LinkWatch } from '../../sys/link-watch.ts';
import { areSet, ownSysctl, sysctlByCommand } from '../../sys/sysctl.ts';
import type { Sysctl } from '../../sys/sysctl.ts';
import type { Dial } from '../../sys/stream-socket.ts';
import { applyOperations } from './apply.ts';
import type { SwitchTools } from './apply.ts';
import { checksumRemedy } from './checksum-remedy.ts';
import { ChecksumWatch } from './checksum-watch.ts';
import { DeviceMerge } from './device-merge.ts';
import { HostAddresses } from './host-addresses.ts';
import { patchNames, sharedDevices, udpPortOf } from './devices.ts';
import { named, naming, type FlowSpec } from './flow-spec.ts';
import { guardFlows, spoofedFrames } from './guard-flows.ts';
import { guardPurpose } from './guard-plan.ts';
import { concernsBase, suspectOf } from './foreign-changes.ts';
import type { Suspect } from './foreign-changes.ts';
import { networkMark, numberOfPhysicalMark, physicalMark, vniOfMark } from './marks.ts';
import type { ObservedOvsNetwork, SwitchPorts } from './observed.ts';
import { bridgeOf, operationsOn, runsByBridge } from './operations.ts';
import { CONTROLLER_ID, cookieOf, TABLES, WHOLE_COOKIE } from './pipeline.ts';
import { planNetwork, planNetworkChange, planNetworkRemoval } from './plan.ts';
import type { Site } from './site.ts';
import { PortNumbers } from './port-numbers.ts';
import { ProviderBridges } from './provider-bridges.ts';
import { rowsOf } from './rows.ts';
import { SharedBase } from './shared-base.ts';
import type { DatapathSetting } from './shared-base.ts';
import { SwitchView } from './switch-view.ts';
import { unreachedUnderlay } from './tunnel.ts';

export interface OvsOptions {
  readonly host: HostIdentity;
  /** Name of the integration bridge. */
  readonly bridge: string;
  readonly datapath: DatapathSetting;
  /** What bears the VTEP address. */
  readonly underlayDevice: string;
  /** Connected by whoever made it. */
  readonly database: VswitchDatabase;
  readonly dial: Dial;
  /** Where ovs-vswitchd has its sockets. */
  readonly runDir: string;
  readonly log: Log;
  /** The ways to physical networks; none when left out. */
  readonly uplinks?: UplinkSettings;
  /** Words that enter the network namespace of ovs-vswitchd, e.g. `['ip', 'netns', 'exec', name]`; this process' own without. */
  readonly prefix?: readonly string[];
}

const START_MS = 10_000;

/**
 * Networks as flows of one integration bridge. Ports come by the switch's database (whoever put them there) or, when a tap
 * is there that a port is named after, are put there by the agent. The database and the flows are both spoken natively; no
 * change costs a process. `apply` and the readers work from `start` to `stop`.
 */
export class OvsDataplane implements Dataplane<ObservedOvsNetwork>, Component {
  readonly name = 'ovs';
  readonly #options: OvsOptions;
  readonly #site: Site;
  readonly #view: SwitchView;
  readonly #numbers = new PortNumbers();
  readonly #devices: DeviceMerge;
  readonly #queue = new EventQueue();
  readonly #links: LinkWatch;
  readonly #openflow: OpenFlowConnection;
  readonly #base: SharedBase;
  readonly #checksums: ChecksumWatch;
  readonly #tools: SwitchTools;
  readonly #providers: ProviderBridges;
  readonly #addresses: HostAddresses;
  /** Networks whose removal has been planned. */
  readonly #leaving = new Set<Vni>();
  readonly #sysctl: Sysctl;
  readonly #listed = Promise.withResolvers<void>();
  #listening: Disposable | undefined;
  /** As of the last change of the database. */
  #ports: SwitchPorts = new Map();
  #lostFlows = false;

  constructor(options: OvsOptions) {
    const { host, bridge, database, log, prefix = [], uplinks: settings = NO_UPLINKS } = options;
    const commands = new HostCommands(prefix);
    this.#options = options;
    this.#sysctl = prefix.length === 0 ? ownSysctl : sysctlByCommand(commands);
    const view = new SwitchView(database.replica, bridge);
    this.#site = {
      host,
      bridge,
      get directsSolicitations(): boolean {
        const type = view.bridgeRow?.row.datapath_type;
        return type !== undefined && type !== 'netdev';
      },
      providerBridge: (provider) => this.#providers.bridgeOf(provider),
    };
    this.#view = view;
    this.#addresses = new HostAddresses({
      ...{ settings, vtep: host.vtep.address, commands, sysctl: this.#sysctl, prefix, log },
      release: async (device, signal) => {
        const holder = this.#providers.holderOf(device);
        if (holder === undefined) return;
        const steps = [operationsOn(holder).deletePort(device, { reason: 'its addresses are to move back' })];
        await applyOperations(this.#providers.toolsOf(holder, this.#tools), steps, signal);
      },
    });
    this.#providers = new ProviderBridges({
      ...{ rows: database.replica, inner: view, commands, dial: options.dial, runDir: options.runDir, log, settings },
      addresses: this.#addresses,
      suspect: (device, line) => {
        this.#queue.push({ kind: 'row', device, line });
      },
    });
    this.#devices = new DeviceMerge(bridge);
    this.#openflow = new OpenFlowConnection({
      dial: options.dial,
      path: `${options.runDir}/${bridge}.mgmt`,
      log,
      onConnected: () => {
        this.#base.ensure();
        this.#checksums.rewrite();
      },
      onLost: () => {
        this.#lostFlows = true;
      },
      news: {
        controllerId: CONTROLLER_ID,
        flowChanged: (update) => {
          this.#suspect(suspectOf(update));
        },
        flowsMissed: () => {
          this.#base.suspect();
          this.#checksums.rewrite();
          this.#queue.push({ kind: 'overrun' });
        },
        packet: (packet) => {
          this.#checksums.packet(packet);
        },
      },
    });
    this.#tools = {
      view: this.#view,
      numbers: this.#numbers,
      sysctl: this.#sysctl,
      leaving: new Set(),
      transact: async (operations, live, signal) => {
        await (live ? database.transactLive(operations, signal) : database.client.transact(operations, signal));
      },
      changeFlows: async (mods, signal) => this.#openflow.apply(mods, signal),
    };
    this.#base = new SharedBase({
      site: this.#site,
      datapath: options.datapath,
      view: this.#view,
      log,
      flowsAreReached: () => this.#openflow.connected,
      flows: async (cookie, signal) => this.#flows(cookie, signal),
      apply: async (operations, signal) => applyOperations(this.#tools, operations, signal),
      onSettled: (outcomes) => {
        if (outcomes.length > 0) this.#queue.push({ kind: 'repaired', outcomes });
        if (!this.#lostFlows || !this.#openflow.connected) return;
        this.#lostFlows = false;
        this.#queue.push({ kind: 'wiped' });
      },
    });
    this.#checksums = new ChecksumWatch({
      bridge,
      isNeeded: () => this.#view.leavesChecksums,
      portOf: (device) => this.#numbers.now(device),
      changeFlows: async (mods, signal) => this.#openflow.apply(mods, signal),
      remedy: async (link, signal) => checksumRemedy(commands, link, signal),
      warn: (device, message) => {
        this.#queue.push({ kind: 'warning', device, message });
      },
      log,
    });
    this.#links = new LinkWatch(
      { commands, prefix },
      {
        link: (event) => {
          this.#tell(this.#devices.link(event));
        },
        listed: () => {
          this.#tell(this.#devices.listed());
          this.#listed.resolve();
          this.#queue.push({ kind: 'listed' });
        },
        lost: () => {
          this.#queue.push({ kind: 'overrun' });
        },
      },
    );
  }

  /** Rejects with `unavailable` when Open vSwitch is not reached, `precondition` when the bridge is somebody else's. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await withDeadline(START_MS, signal, async (limited) => this.#start(limited));
    } catch (thrown) {
      await this.stop();
      signal.throwIfAborted();
      const error = toError(thrown);
      if (error instanceof DomainError && error.code !== 'deadline') throw error;
      throw new DomainError(
        'unavailable',
        'OVS_UNREACHABLE',
        `Open vSwitch was not reached at ${this.#options.runDir} within ${(START_MS / 1_000).toString()} s: ` +
          'is it installed (openvswitch-switch), and do ovsdb-server and ovs-vswitchd run?',
        { cause: error },
      );
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { replica } = this.#options.database;
    await replica.synced(signal);
    this.#listening = replica.listen({
      onChange: (changes) => {
        this.#takePorts();
        this.#providers.update(changes);
        if (changes.some((change) => concernsBase(change, this.#site.bridge))) this.#base.suspect();
      },
      onConnected: () => {
        this.#queue.push({ kind: 'overrun' });
      },
    });
    this.#takePorts();
    await this.#base.settle(signal);
    await Promise.all([this.#links.start(signal), this.#openflow.start(signal), this.#addresses.start(signal)]);
    await this.#base.settle(signal);
    await this.#listed.promise;
    this.#checkUnderlay();
  }

  async stop(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    await Promise.all([this.#links.stop(), this.#base.stop(), this.#checksums.stop(), this.#openflow.stop()]);
    await Promise.all([this.#providers.stop(), this.#addresses.stop()]);
  }

  devicesOf({ provider }: NetworkFacts): NetworkDevices {
    const shared = sharedDevices(this.#site.bridge, this.#site.host.vtep.udpPort);
    if (provider === undefined) return shared;
    return { ...shared, tunnel: patchNames(this.#providers.bridgeOf(provider).name).inner };
  }

  async refusal(network: NetworkFacts, signal: AbortSignal): Promise<string | undefined> {
    return await this.#providers.refusal(network, signal);
  }

  isOwnDevice(name: string): boolean {
    return name === this.#site.bridge || udpPortOf(name) !== undefined || this.#providers.isOwnDevice(name);
  }

  async observe(intent: NetworkIntent, signal: AbortSignal): Promise<ObservedOvsNetwork> {
    const flows = await this.#flows(cookieOf(intent.vni), signal);
    const mark = this.#view.bridgeRow?.row.external_ids.get(networkMark(intent.vni));
    const devices = new Set<string>();
    const indexes = new Map<string, number>();
    for (const { device } of intent.ports.values()) {
      if (this.#devices.has(device)) devices.add(device);
      const index = this.#devices.kernelIndex(device);
      if (index !== undefined) indexes.set(device, index);
    }
    const exposed = await this.#exposed(devices, signal);
    const provider = await this.#providers.observe(intent, signal);
    return {
      ...{ rows: await inTurns(rowsOf(flows), signal), flows },
      ...{ ports: this.#view.ports(), devices, exposed, indexes },
      ...(provider !== undefined && { provider }),
      ...(mark !== undefined && { mark }),
    };
  }

  async observeOwned(signal: AbortSignal): Promise<ReadonlyMap<string, OwnedNetwork>> {
    // What was begun and given up may still be done: after one more transaction the copy has it.
    await this.#options.database.client.transact([], signal);
    const owned = new Map<string, OwnedNetwork>();
    const ports = [...this.#view.ports().values()];
    for (const [key, value] of this.#view.bridgeRow?.row.external_ids ?? []) {
      const vni = vniOfMark(key);
      if (vni === undefined) continue;
      const { providerBridge } = this.#providerOf(vni);
      owned.set(value, {
        networkId: parseUuid(key, value),
        vni,
        devices: [],
        ...(providerBridge !== undefined && {
          providerBridge,
          ...(await this.#providers.home(providerBridge, signal)),
        }),
        ports: ports.filter(({ isOurs, networkOf }) => isOurs && networkOf === value).map(({ device }) => device),
      });
    }
    return owned;
  }

  /** Where a network's physical network is, and whether it is the last here on that. */
  #providerOf(vni: Vni): Pick<OwnedNetwork, 'providerBridge'> {
    const ids = this.#view.bridgeRow?.row.external_ids ?? new Map<string, string>();
    const physicalNetwork = ids.get(physicalMark(vni));
    if (physicalNetwork === undefined) return {};
    const others = [...ids].flatMap(([key, value]) =>
      value === physicalNetwork ? (numberOfPhysicalMark(key) ?? []) : [],
    );
    const isLast = others.every((number) => number === vni || this.#leaving.has(number));
    return { providerBridge: { ...this.#providers.bridgeInUse(physicalNetwork), isLast } };
  }

  async plan(
    _host: HostIdentity,
    intent: NetworkIntent,
    observed: ObservedOvsNetwork,
    signal: AbortSignal,
  ): Promise<readonly Operation[]> {
    this.#leaving.delete(intent.vni);
    return await inTurns(planNetwork(this.#site, intent, observed), signal);
  }

  planChange(_host: HostIdentity, intent: NetworkIntent, change: NetworkChange): readonly Operation[] {
    return planNetworkChange(this.#site, intent, change, {
      ports: this.#ports,
      // One that the switch is still to make is looked at when it is there.
      isExposed: (device) => this.#isExposing && this.#devices.kernelIndex(device) !== undefined,
      indexOf: (device) => this.#devices.kernelIndex(device),
    });
  }

  planRemoval(owned: OwnedNetwork): readonly Operation[] {
    // Of two networks that leave at once the second is the last of their physical network.
    if (owned.vni !== undefined) this.#leaving.add(owned.vni);
    const now = owned.vni === undefined ? owned : { ...owned, ...this.#providerOf(owned.vni) };
    return planNetworkRemoval(this.#site.bridge, now);
  }

  async planShared(signal: AbortSignal): Promise<readonly Operation[]> {
    return await this.#base.plan(signal);
  }

  async apply(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes = await this.#addresses.guard(operations, async (each) => this.#applyAll(each, signal), signal);
    if (operations.some(({ kind }) => kind === 'delete-bridge')) await this.#providers.forgetGone();
    return outcomes;
  }

  async #applyAll(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const run of runsByBridge(operations)) {
      const bridge = bridgeOf(run[0]);
      if (bridge === undefined) outcomes.push(...(await this.#addresses.apply(run, outcomes, signal)));
      else {
        const tools = bridge === this.#site.bridge ? this.#tools : this.#providers.toolsOf(bridge, this.#tools);
        outcomes.push(...(await applyOperations(tools, run, signal)));
      }
    }
    return outcomes;
  }

  guardOf({ networkId, vni }: NetworkFacts, port: LocalPort): readonly Operation[] {
    const steps = operationsOn(this.#site.bridge);
    return guardFlows(vni, port).map((flow) => steps.addFlow(flow, guardPurpose(networkId, port)));
  }

  async spoofedFrames(devices: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, SpoofedFrames>> {
    const { flows, packets } = await this.#openflow.count({ table: TABLES.anti_spoof }, signal);
    const specs = flows.map((flow) => named(flow, (port) => this.#numbers.nameOf(port)));
    return spoofedFrames(specs, packets, devices);
  }

  async *events(signal: AbortSignal): AsyncGenerator<KernelEvent, void> {
    yield* this.#queue.drain(signal);
  }

  /** The kernel's datapath takes frames away before its IP stack sees them; one in user space gets a copy. */
  get #isExposing(): boolean {
    return this.#view.bridgeRow?.row.datapath_type === 'netdev';
  }

  async #exposed(devices: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const exposed = new Set<string>();
    if (!this.#isExposing) return exposed;
    await Promise.all(
      [...devices].map(async (device) => {
        if (!(await areSet(this.#sysctl, isolationOf(device), signal))) exposed.add(device);
      }),
    );
    return exposed;
  }

  async #flows(cookie: bigint, signal: AbortSignal): Promise<readonly FlowSpec[]> {
    const flows = await this.#openflow.dump({ cookie, cookieMask: WHOLE_COOKIE }, signal);
    return await inTurns(
      naming(flows, (port) => this.#numbers.nameOf(port)),
      signal,
    );
  }

  /** A datapath in user space sends through tunnels only by way of its own ports (OVS, "Userspace VXLAN" how-to). */
  #checkUnderlay(): void {
    const { underlayDevice: device, host } = this.#options;
    const isInside = [...this.#view.rows(Interface).values()].some(({ name }) => name === device);
    if (!this.#isExposing || isInside) return;
    this.#queue.push({ kind: 'warning', device, message: unreachedUnderlay(device, host.vtep) });
  }

  #takePorts(): void {
    this.#ports = this.#view.ports();
    const renumbered = this.#numbers.update(this.#ports);
    const guests = this.#view.guests((name) => this.isOwnDevice(name));
    this.#tell(this.#devices.ports(guests, this.#view.bridgeRow === undefined));
    this.#checksums.update();
    for (const device of renumbered) this.#queue.push({ kind: 'row', device, line: `${device} has another number` });
  }

  #suspect(suspect: Suspect | undefined): void {
    if (suspect === undefined) return;
    if (suspect === 'base') this.#base.suspect();
    else if (suspect === 'watch') this.#checksums.rewrite();
    else if ('vni' in suspect) this.#queue.push({ kind: 'network', vni: suspect.vni });
    else {
      const device = this.#numbers.nameOf(suspect.port);
      if (device !== undefined) this.#queue.push({ kind: 'row', device, line: `the flow from ${device} was replaced` });
    }
  }

  #tell(events: readonly LinkEvent[]): void {
    for (const link of events) {
      this.#queue.push({ kind: 'link', link });
      this.#checksums.link(link);
    }
  }
}
