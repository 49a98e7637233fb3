import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { Dataplane, KernelEvent, NetworkDevices, OwnedNetwork } from '../../model/host.ts';
import type { HostIdentity, NetworkChange, NetworkFacts, NetworkIntent } from '../../model/intent.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import { BatchChild } from '../../sys/batch-child.ts';
import { HostCommands } from '../../sys/command.ts';
import { ownSysctl, sysctlByCommand } from '../../sys/sysctl.ts';
import { applyOperations } from './apply.ts';
import type { Tools } from './apply.ts';
import { devicesOf } from './devices.ts';
import { watchKernel } from './events.ts';
import { observeNetwork, observeOwnedNetworks } from './observe.ts';
import type { Readers } from './observe.ts';
import type { ObservedBridgeNetwork } from './observed.ts';
import { planNetwork, planNetworkChange, planNetworkRemoval } from './plan.ts';
import { WrittenRows } from './written-rows.ts';

export interface LinuxBridgeOptions {
  readonly log: Log;
  /** Words that enter another network namespace, e.g. `['ip', 'netns', 'exec', name]`; this process' own without. */
  readonly prefix?: readonly string[];
}

const OWN = /^(?:brq|vxlan-)/;

/**
 * A network as a Linux bridge and a VXLAN device, of the network namespace it is started in: unicast rows per MAC address,
 * ARP and ND answered by the VXLAN device, head-end replication for the rest. It learns nothing by itself. `apply` and
 * the readers work from `start` to `stop`.
 */
export class LinuxBridgeDataplane implements Dataplane<ObservedBridgeNetwork>, Component {
  readonly name = 'linuxbridge';
  readonly #log: Log;
  readonly #prefix: readonly string[];
  readonly #readers: Readers;
  readonly #ip: BatchChild;
  readonly #bridge: BatchChild;
  readonly #written = new WrittenRows();
  readonly #tools: Tools;

  constructor({ log, prefix = [] }: LinuxBridgeOptions) {
    this.#log = log;
    this.#prefix = prefix;
    const commands = new HostCommands(prefix);
    this.#ip = new BatchChild({ tool: 'ip', prefix });
    this.#bridge = new BatchChild({ tool: 'bridge', prefix });
    const sysctl = prefix.length === 0 ? ownSysctl : sysctlByCommand(commands);
    this.#readers = { commands, sysctl, ip: this.#ip };
    this.#tools = {
      ip: this.#ip,
      bridge: this.#bridge,
      sysctl,
      onStep: (operation) => {
        this.#written.note(operation);
      },
    };
  }

  /** Rejects with `unavailable` when iproute2 cannot be run. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#ip.start(signal), this.#bridge.start(signal)]);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#ip.stop(), this.#bridge.stop()]);
  }

  devicesOf(network: NetworkFacts): NetworkDevices {
    const { bridge, vxlan } = devicesOf(network);
    return { bridge, tunnel: vxlan };
  }

  isOwnDevice(name: string): boolean {
    return OWN.test(name);
  }

  async observe(intent: NetworkIntent, signal: AbortSignal): Promise<ObservedBridgeNetwork> {
    const observed = await observeNetwork(this.#readers, intent, signal);
    this.#written.begin(devicesOf(intent).vxlan, observed.rows);
    return observed;
  }

  async observeOwned(signal: AbortSignal): Promise<ReadonlyMap<string, OwnedNetwork>> {
    return await observeOwnedNetworks(this.#readers, signal);
  }

  plan(host: HostIdentity, intent: NetworkIntent, observed: ObservedBridgeNetwork): readonly Operation[] {
    return planNetwork(host, intent, observed);
  }

  planChange(host: HostIdentity, intent: NetworkIntent, change: NetworkChange): readonly Operation[] {
    return planNetworkChange(host, intent, change);
  }

  planRemoval(owned: OwnedNetwork): readonly Operation[] {
    return planNetworkRemoval(owned);
  }

  async apply(operations: readonly Operation[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes = await applyOperations(this.#tools, operations, signal);
    const failures = outcomes.filter(({ error }) => error !== undefined).length;
    if (failures > 0) this.#log.debug({ operations: operations.length, failures }, 'applied in part');
    return outcomes;
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
      },
      signal,
    );
  }
}
