import { KeyedQueue } from '#platform/async/keyed-queue.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { OwnedHome } from '../../model/host.ts';
import type { HostInterface } from '../../model/interface.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import type { UplinkSettings } from '../../model/uplinks.ts';
import { MOVE, movedDevice } from '../../plan/address-moves.ts';
import { isolationOf } from '../../plan/isolation.ts';
import { AddressMoves } from '../../sys/address-moves.ts';
import { BatchChild } from '../../sys/batch-child.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { readInterface, readRoutes } from '../../sys/interfaces.ts';
import { areSet, writeAll } from '../../sys/sysctl.ts';
import type { Sysctl } from '../../sys/sysctl.ts';
import type { ObservedOwn } from './observed.ts';

export interface HostAddressesOptions {
  readonly settings: UplinkSettings;
  readonly vtep: IpAddress;
  readonly commands: CommandRunner;
  readonly sysctl: Sysctl;
  readonly prefix: readonly string[];
  readonly log: Log;
  /** Takes an interface out of its bridge. */
  readonly release: (device: string, signal: AbortSignal) => Promise<void>;
}

/** What of the host's own is on interfaces that lead to physical networks, or on their bridges. */
export class HostAddresses {
  readonly #options: HostAddressesOptions;
  readonly #ip: BatchChild;
  readonly #moves: AddressMoves;
  readonly #queue = new KeyedQueue<string>();

  constructor(options: HostAddressesOptions) {
    const { settings, log, prefix } = options;
    this.#options = options;
    this.#ip = new BatchChild({ tool: 'ip', prefix });
    this.#moves = new AddressMoves({
      ...{ settings, log },
      undo: async (device, lines, signal) => {
        const said = await writeAll(options.sysctl, await this.#openingOf(device, lines.join(' '), signal), signal);
        if (said !== undefined) log.warn({ device, error: said }, 'settings not given back');
        // Its addresses are wanted back also where the switch does not answer.
        await options.release(device, signal).catch((error: unknown) => {
          log.warn({ device, error: toError(error).message }, 'not taken out of its bridge');
        });
        await this.#ip.run(lines, signal);
      },
    });
  }

  /** So that nothing has to be started any more when addresses have moved. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#options.settings.movesAddresses) await this.#ip.start(signal);
  }

  async stop(): Promise<void> {
    await this.#ip.stop();
  }

  /** Why what is on an interface cannot move as it is now. */
  refusal(device: string, found: HostInterface | undefined): string | undefined {
    const { settings, vtep } = this.#options;
    if (!this.#bearsVtep(found)) return this.#moves.complaintOf(device);
    return (
      `interface ${device} of host ${settings.hostId} carries ${vtep}, by which its tunnels are sent, and Open vSwitch may not ` +
      'send them any more when the agent moves that; map another interface, or make a bridge by hand with the address on it and map that'
    );
  }

  async observe(bridge: string, device: string, datapathType: string, signal: AbortSignal): Promise<ObservedOwn> {
    const { commands, settings, sysctl } = this.#options;
    const [found, at] = await Promise.all([
      settings.movesAddresses ? readInterface(commands, device, signal) : undefined,
      readInterface(commands, bridge, signal),
    ]);
    const moves = found !== undefined && found.addresses.length > 0 && !this.#bearsVtep(found);
    const local = at !== undefined && at.addresses.length > 0 ? at : undefined;
    // The kernel's datapath takes frames away before its IP stack sees them; one in user space gets a copy.
    const isExposed =
      local !== undefined && datapathType === 'netdev' && !(await areSet(sysctl, isolationOf(device), signal));
    return {
      ...(moves && { moving: { device: found, routes: await readRoutes(commands, device, signal) } }),
      ...(local !== undefined && { local }),
      isExposed,
    };
  }

  /** What a bridge has to give back to the interface in it. */
  async home(
    bridge: string,
    device: string,
    datapathType: string,
    signal: AbortSignal,
  ): Promise<OwnedHome | undefined> {
    const { commands } = this.#options;
    const at = await readInterface(commands, bridge, signal);
    if (at === undefined || at.addresses.length === 0) return undefined;
    const routes = await readRoutes(commands, bridge, signal);
    const addresses = at.addresses.map(({ address }) => address).join(' ');
    return {
      ...{ at, routes, of: device },
      ...(datapathType === 'netdev' && { settings: await this.#openingOf(device, addresses, signal) }),
    };
  }

  /** Does the steps, one move of an interface's addresses at a time; of a move sees how it went. */
  async guard(
    operations: readonly Operation[],
    apply: (operations: readonly Operation[]) => Promise<readonly Outcome[]>,
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const device = movedDevice(operations);
    if (device === undefined) return await apply(operations);
    return await this.#queue.run(device, async () => {
      const found = await readInterface(this.#options.commands, device, signal);
      // Another network of the same wire was faster.
      const isDone = found?.addresses.length === 0;
      const left = isDone ? operations.filter(({ kind }) => kind !== MOVE) : operations;
      const outcomes = await this.#moves.guard(left, async () => apply(left), signal);
      if (!isDone) return outcomes;
      const byOperation = new Map(outcomes.map((outcome) => [outcome.operation, outcome]));
      return operations.map((operation) => byOperation.get(operation) ?? { operation });
    });
  }

  /** Does steps of `ip`, but not those that need what has failed `before`. */
  async apply(
    operations: readonly Operation[],
    before: readonly Outcome[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const failed = new Set(before.flatMap(({ operation, error }) => (error === undefined ? [] : [operation.key])));
    const missing = operations.flatMap(({ needs = [] }) => needs).find((key) => failed.has(key));
    if (missing !== undefined)
      return operations.map((operation) => ({ operation, error: `not tried: ${missing} failed` }));
    // The name may be that of another device than the tool remembers.
    this.#ip.refresh();
    const errors = await this.#ip.run(
      operations.map(({ argv }) => argv.slice(1).join(' ')),
      signal,
    );
    return operations.map((operation, at) => {
      const error = errors[at];
      return error === undefined ? { operation } : { operation, error };
    });
  }

  #bearsVtep(found: HostInterface | undefined): boolean {
    const { vtep } = this.#options;
    return found?.addresses.some(({ address }) => address.startsWith(`${vtep}/`)) === true;
  }

  /** The settings that keep the host's IP stack off an interface, as the host has them for new devices. */
  async #openingOf(device: string, addresses: string, signal: AbortSignal): Promise<readonly string[]> {
    const names = isolationOf(device).map((setting) => setting.replace(/=.*/, ''));
    const values = await Promise.all(
      names.map(async (name) => {
        if (addresses.includes(':') && name.endsWith('.disable_ipv6')) return '0';
        return await this.#options.sysctl.read(name.replace(/(conf\.).*(\.)/, '$1default$2'), signal);
      }),
    );
    return names.flatMap((name, at) => (values[at] === undefined ? [] : [`${name}=${values[at]}`]));
  }
}
