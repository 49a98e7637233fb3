import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { Dataplane, KernelEvent, NetworkDevices, OwnedNetwork } from '../../model/host.ts';
import type { HostIdentity, LocalPort, NetworkChange, NetworkFacts, NetworkIntent } from '../../model/intent.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import type { SpoofedFrames } from '../../model/port-security.ts';
import { NO_UPLINKS } from '../../model/uplinks.ts';
import type { UplinkSettings } from '../../model/uplinks.ts';
import { AddressMoves } from '../../sys/address-moves.ts';
import { BatchChild } from '../../sys/batch-child.ts';
import { HostCommands } from '../../sys/command.ts';
import { ownSysctl, sysctlByCommand } from '../../sys/sysctl.ts';
import { applyOperations } from './apply.ts';
import type { Tools } from './apply.ts';
import { devicesOf } from './devices.ts';
import { watchKernel } from './events.ts';
import { guardPortSteps } from './guard-operations.ts';
import { planGuardAhead, planGuarded, planGuardedChange, planGuardedRemoval } from './guard-plan.ts';
import type { GuardedNetwork } from './guard-plan.ts';
import { portGuard } from './guard-rules.ts';
import { Guards } from './guards.ts';
import { observeNetwork, observeOwnedNetworks, observeProviderNetwork } from './observe.ts';
import type { Readers } from './observe.ts';
import type { ObservedBridgeNetwork } from './observed.ts';
import { planNetwork, planNetworkChange, planNetworkRemoval } from './plan.ts';
import { findRefusal } from './uplinks.ts';
import { WrittenRows } from './written-rows.ts';

export interface LinuxBridgeOptions {
  readonly log: Log;
  /** The ways to physical networks; none when left out. */
  readonly uplinks?: UplinkSettings;
  /** Words that enter another network namespace, e.g. `['ip', 'netns', 'exec', name]`; this process' own without. */
  readonly prefix?: readonly string[];
}

const OWN = /^(?:brq|vxlan-)/;

/**
 * A network as a Linux bridge and a VXLAN device, of the network namespace it is started in: unicast rows per MAC address,
 * ARP and ND answered by the VXLAN device, head-end replication for the rest. It learns nothing by itself. `apply` and
 * the readers work from `start` to `stop`.
 */
export class LinuxBridgeDataplane implements Dataplane<GuardedNetwork>, Component {
  readonly name = 'linuxbridge';
  readonly #log: Log;
  readonly #prefix: readonly string[];
  readonly #readers: Readers;
  readonly #ip: BatchChild;
  readonly #bridge: BatchChild;
  readonly #guards: Guards;
  #onForeignGuards: (message: string) => void = () => undefined;
  readonly #written = new WrittenRows();
  readonly #uplinks: UplinkSettings;
  readonly #uplinkDevices: ReadonlySet<string>;
  readonly #moves: AddressMoves;
  readonly #tools: Tools;

  constructor({ log, uplinks = NO_UPLINKS, prefix = [] }: LinuxBridgeOptions) {
    this.#log = log;
    this.#prefix = prefix;
    const commands = new HostCommands(prefix);
    this.#uplinks = uplinks;
    this.#uplinkDevices = new Set(uplinks.mappings.values());
    this.#moves = new AddressMoves({
      settings: uplinks,
      undo: async (device, lines, signal) => {
        await this.#ip.run([`link set dev ${device} nomaster`, ...lines], signal);
      },
      log,
    });
    this.#ip = new BatchChild({ tool: 'ip', prefix });
    this.#bridge = new BatchChild({ tool: 'bridge', prefix });
    const sysctl = prefix.length === 0 ? ownSysctl : sysctlByCommand(commands);
    this.#guards = new Guards({
      commands,
      prefix,
      onForeign: (message) => {
        this.#onForeignGuards(message);
      },
    });
    this.#readers = { commands, sysctl, ip: this.#ip };
    this.#tools = {
      ip: this.#ip,
      bridge: this.#bridge,
      nft: this.#guards,
      sysctl,
      onStep: (operation) => {
        this.#written.note(operation);
      },
    };
  }

  /** Rejects with `unavailable` when iproute2 cannot be run. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#ip.start(signal), this.#bridge.start(signal), this.#guards.watch(signal)]);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#ip.stop(), this.#bridge.stop(), this.#guards.stop()]);
  }

  devicesOf(network: NetworkFacts): NetworkDevices {
    const { bridge, uplink } = devicesOf(network);
    return { bridge, tunnel: uplink };
  }

  isOwnDevice(name: string): boolean {
    // An interface that leads to a physical network is no guest's, nor is a sub-interface of it.
    return OWN.test(name) || this.#uplinkDevices.has(name.replace(/\.\d+$/, '')) || this.#uplinkDevices.has(name);
  }

  async refusal(network: NetworkFacts, signal: AbortSignal): Promise<string | undefined> {
    const { commands } = this.#readers;
    return await findRefusal({ commands, settings: this.#uplinks, moves: this.#moves }, network, signal);
  }

  async observe(intent: NetworkIntent, signal: AbortSignal): Promise<GuardedNetwork> {
    const [observed, guards] = await Promise.all([this.#observe(intent, signal), this.#guards.read(signal)]);
    return { ...observed, guards };
  }

  async #observe(intent: NetworkIntent, signal: AbortSignal): Promise<ObservedBridgeNetwork> {
    if (intent.provider !== undefined) return await observeProviderNetwork(this.#readers, intent, signal);
    const observed = await observeNetwork(this.#readers, intent, signal);
    this.#written.begin(devicesOf(intent).vxlan, observed.rows);
    return observed;
  }

  async observeOwned(signal: AbortSignal): Promise<ReadonlyMap<string, OwnedNetwork>> {
    return await observeOwnedNetworks(this.#readers, this.#uplinkDevices, signal);
  }

  async plan(host: HostIdentity, intent: NetworkIntent, observed: GuardedNetwork): Promise<readonly Operation[]> {
    return Promise.resolve(planGuarded(intent, observed, planNetwork(host, intent, observed)));
  }

  planChange(host: HostIdentity, intent: NetworkIntent, change: NetworkChange): readonly Operation[] {
    return planGuardedChange(intent, change, this.#guards.known, planNetworkChange(host, intent, change));
  }

  planAhead(network: NetworkFacts, port: LocalPort): readonly Operation[] {
    return planGuardAhead(network, port, this.#guards.known);
  }

  planRemoval(owned: OwnedNetwork): readonly Operation[] {
    return planGuardedRemoval(owned, this.#guards.known, planNetworkRemoval(owned));
  }

  async apply(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes = await this.#moves.guard(
      operations,
      async () => applyOperations(this.#tools, operations, signal),
      signal,
    );
    const failures = outcomes.filter(({ error }) => error !== undefined).length;
    if (failures > 0) this.#log.debug({ operations: operations.length, failures }, 'applied in part');
    return outcomes;
  }

  guardOf({ networkId }: NetworkFacts, port: LocalPort): readonly Operation[] {
    const guard = portGuard(port);
    return guard === undefined ? [] : guardPortSteps(guard, networkId, port.portId);
  }

  async spoofedFrames(devices: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, SpoofedFrames>> {
    return await this.#guards.spoofed(devices, signal);
  }

  async *events(signal: AbortSignal): AsyncGenerator<KernelEvent, void> {
    yield* watchKernel(
      {
        commands: this.#readers.commands,
        prefix: this.#prefix,
        foreign: (line) => this.#written.foreign(line),
        onGone: () => {
          this.#ip.refresh();
          this.#bridge.refresh();
        },
        onGuards: (tell) => {
          this.#onForeignGuards = tell;
        },
      },
      signal,
    );
  }
}
