import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { carrier, currentTraceId, inSpan } from '#platform/telemetry/spans.ts';
import type { PortBinding, PortRegistry } from '../model/control-plane.ts';
import type { Dataplane, LinkEvent } from '../model/host.ts';
import type { ForwardingEntry, LocalPort, NetworkFacts } from '../model/intent.ts';
import { OWN_ADDRESSES_ONLY } from '../model/port-security.ts';
import { idleReasonOf, refusalOf, type HostLimits } from '../plan/refusal.ts';
import { networkFacts } from '../plan/segment.ts';
import { annotate } from './annotate.ts';
import { newDevice, reportOf, viewOf, type Device, type DeviceFacts, type DeviceView } from './device.ts';
import { localPorts } from './metrics.ts';
import type { Networks } from './networks.ts';
import type { PendingDowns } from './pending-downs.ts';
import type { PortSecurities } from './port-securities.ts';
import type { ReportedDevices } from './reported-devices.ts';
import type { EventLog } from './event-log.ts';
import type { Log } from '#platform/log/log.ts';

export interface DevicePortsTools {
  readonly registry: PortRegistry;
  readonly networks: Networks;
  readonly dataplane: Pick<Dataplane, 'isOwnDevice' | 'refusal'>;
  readonly downs: PendingDowns;
  readonly reported: ReportedDevices;
  readonly securities: PortSecurities;
  readonly events: EventLog;
  readonly limits: HostLimits;
  readonly log: Log;
}

const RETRY = { baseMs: 100, maxMs: 5_000 };
const TAP = /^tap[0-9a-f]{8}-[0-9a-f]{2}$/;

/**
 * Brings ports up and down with their devices. Per device one thing at a time, until the registry has acknowledged what
 * is true now; a device that comes and goes meanwhile is reported as it ends up.
 */
export class DevicePorts {
  readonly #tools: DevicePortsTools;
  readonly #devices = new Map<string, Device>();
  readonly #halt = new AbortController();
  #facts: ReadonlyMap<string, DeviceFacts> = new Map();

  constructor(tools: DevicePortsTools) {
    this.#tools = tools;
  }

  get views(): readonly DeviceView[] {
    return [...this.#devices.values()].map(viewOf);
  }

  /** A port that was plugged when the agent last ran. */
  adopt(networkId: string, port: LocalPort): void {
    const device = this.#device(port.device);
    device.plugged = port;
    device.portId = port.portId;
    device.networkId = networkId;
    // Its generation may be that of an earlier binding: what is on disk lags a moment behind. `heard` stays unknown.
  }

  /** Ends what the first look at the host did not find: adopted ports without a device, ends not yet reported. */
  settleAdopted(): void {
    for (const name of [...this.#tools.downs.devices, ...this.#tools.reported.names]) this.#device(name);
    for (const device of this.#devices.values()) if (device.link === undefined) this.#go(device);
  }

  onLink(link: LinkEvent): void {
    if (this.#tools.dataplane.isOwnDevice(link.name)) return;
    const known = this.#devices.get(link.name);
    if (link.kind === 'gone') {
      // A tap that was made anew under its name has another index: the old one's end is no news about it.
      if (known?.link?.index !== link.index) return;
      known.link = undefined;
      known.detached = false;
      this.#go(known);
      return;
    }
    const networkId = link.master === undefined ? undefined : this.#tools.networks.ofBridge(link.master);
    const isPort = TAP.test(link.name) || link.portId !== undefined || networkId !== undefined;
    if (known === undefined && !isPort) return;
    const device = this.#device(link.name);
    const isNew = device.link?.index !== link.index || (link.portId !== undefined && device.portId !== link.portId);
    device.link = link;
    if (link.portId !== undefined) device.portId = link.portId;
    if (networkId !== undefined) device.networkId ??= networkId;
    if (!isNew) return;
    device.detached = false;
    device.refused = false;
    this.#go(device);
  }

  /** Takes up all that a hypervisor knows of devices now; those that are no port's yet may be one's by that. */
  learn(facts: ReadonlyMap<string, DeviceFacts>): void {
    this.#facts = facts;
    for (const device of this.#devices.values()) {
      const before = device.facts;
      device.facts = facts.get(device.name);
      const isNews = device.facts !== undefined && !sameFacts(before, device.facts);
      if (isNews && device.link !== undefined && device.plugged === undefined && !device.detached) this.#go(device);
    }
  }

  /** Plugs a device by hand; resolves with the port, or throws what the registry or the host says against it. */
  async attach(portId: string, name: string, link: LinkEvent): Promise<DeviceView> {
    const device = this.#device(name);
    device.portId = portId;
    device.link = link;
    device.detached = false;
    await device.running;
    await this.#settle(device);
    return viewOf(device);
  }

  /** Unplugs a port by hand, as if its device had gone. NOT_FOUND when it is not plugged here. */
  async detach(portId: string): Promise<void> {
    const device = [...this.#devices.values()].find(({ plugged }) => plugged?.portId === portId);
    if (device === undefined) {
      throw new DomainError('not_found', 'PORT_NOT_PLUGGED', `port "${portId}" is not plugged on this host`);
    }
    device.detached = true;
    await device.running;
    await this.#settle(device);
  }

  /** l2pop took the binding away: the device stays and is left alone. */
  onWithdrawn(port: LocalPort): void {
    const device = this.#devices.get(port.device);
    // Another plugging of the device may be on its way to the worker, behind what took this one.
    if (device === undefined || (device.plugged !== undefined && !isSamePlugging(device.plugged, port))) return;
    const networkId = device.networkId ?? '';
    delete device.plugged;
    device.message = 'the port is bound here no more';
    this.#tools.events.emit({
      kind: 'port-down',
      portId: port.portId,
      device: port.device,
      networkId,
      message: device.message,
    });
    this.#count();
    void this.#releaseLater(networkId);
  }

  /** l2pop says a port is bound here: plugs it if its device is here. */
  onAssigned(entry: ForwardingEntry): void {
    for (const device of this.#devices.values()) {
      const matches = device.portId === entry.portId || device.name === `tap${entry.portId.slice(0, 11)}`;
      if (!matches || device.link === undefined) continue;
      if (device.plugged?.generation === entry.generation) continue;
      device.refused = false;
      if (!device.detached && device.running === undefined) this.#go(device);
    }
  }

  /** Reports again every device that is not plugged for good, and ports l2pop does not confirm. */
  recheck(): void {
    for (const device of this.#devices.values()) {
      if (device.running !== undefined || device.detached) continue;
      if (device.refused) {
        this.#reconsider(device);
        continue;
      }
      const worker = device.networkId === undefined ? undefined : this.#tools.networks.get(device.networkId);
      if (device.plugged === undefined) this.#go(device);
      // Of a network without a table in l2pop nothing confirms it; one that fails may have to be refused.
      else if (worker?.table.isOverlay === false) {
        if (worker.isFailing) this.#go(device);
      } else {
        const entry = worker?.table.entries.get(device.plugged.portId);
        if (entry?.generation !== device.plugged.generation) this.#go(device);
      }
    }
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    await Promise.all([...this.#devices.values()].map(async ({ running }) => running));
  }

  /** Resolves when every device known now has been reported once, or has failed to be. */
  async firstReports(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && [...this.#devices.values()].some(({ running }) => running !== undefined)) {
      await sleep(20, signal).catch(() => undefined);
    }
  }

  #device(name: string): Device {
    const known = this.#devices.get(name);
    if (known !== undefined) return known;
    const device = newDevice(name);
    device.facts = this.#facts.get(name);
    this.#devices.set(name, device);
    return device;
  }

  #go(device: Device): void {
    if (device.running !== undefined) {
      device.again = true;
      return;
    }
    if (this.#halt.signal.aborted) return;
    device.running = this.#loop(device).finally(() => {
      device.running = undefined;
      // Something came after the last look of the loop.
      if (device.again && !this.#halt.signal.aborted) {
        this.#go(device);
        return;
      }
      if (device.link === undefined && device.plugged === undefined) this.#devices.delete(device.name);
    });
  }

  async #loop(device: Device): Promise<void> {
    for (let attempt = 0; !this.#halt.signal.aborted; attempt += 1) {
      device.again = false;
      const done = await this.#settle(device).then(
        () => true,
        (thrown: unknown) => this.#onFailure(device, thrown),
      );
      if (device.again) {
        attempt = -1;
        continue;
      }
      if (done) return;
      await sleep(backoffMs(attempt, RETRY, Math.random), this.#halt.signal).catch(() => undefined);
    }
  }

  /** True when there is nothing to retry until something new happens. */
  #onFailure(device: Device, thrown: unknown): boolean {
    const error = toError(thrown);
    const news = device.message !== error.message;
    device.message = error.message;
    if (error instanceof DomainError && (error.code === 'not_found' || error.code === 'invalid')) {
      if (news) {
        this.#tools.events.emit({ kind: 'device-unknown', device: device.name, message: error.message });
      }
      // Its port may be created later: `recheck` asks again.
      return true;
    }
    if (news) this.#tools.log.warn({ device: device.name, error: error.message }, 'port not reported, retrying');
    return false;
  }

  async #settle(device: Device): Promise<void> {
    const { downs, registry } = this.#tools;
    await downs.report(device.name, registry, this.#halt.signal);
    if (device.link !== undefined && !device.detached) await this.#up(device);
    else await this.#down(device);
  }

  async #up(device: Device): Promise<void> {
    const { networks, limits, events, securities } = this.#tools;
    const attributes = { 'weft.host.id': limits.hostId, 'weft.device': device.name };
    await inSpan('agent.port-up', { parent: 'root', attributes }, async (span) => {
      await this.#plugKnown(device);
      let binding: PortBinding;
      try {
        binding = await this.#claim(device);
      } catch (thrown) {
        if (thrown instanceof DomainError && thrown.code === 'not_found') await this.#release(device);
        throw thrown;
      }
      span.setAttribute('weft.port.id', binding.portId);
      span.setAttribute('weft.network.id', binding.networkId);
      device.networkId = binding.networkId;
      const idle = idleReasonOf(binding);
      if (idle !== undefined) {
        await this.#release(device);
        device.message = idle;
        return;
      }
      const facts = networkFacts(binding.networkId, binding, limits);
      const settled = refusalOf(binding, limits);
      const refusal = settled ?? (await this.#refusalNow(facts));
      device.lacking = settled === undefined && refusal !== undefined ? facts : undefined;
      if (refusal !== undefined) {
        await this.#refuse(device, binding, refusal);
        return;
      }
      const worker = await networks.hold(facts);
      const port: LocalPort = {
        portId: binding.portId,
        device: device.name,
        mac: binding.mac,
        ips: binding.ips,
        // A claim that lost to another host must lose in the rows as well.
        generation: binding.hostId === limits.hostId ? binding.generation : 0n,
        security: securities.newest(binding.portId, binding.security),
      };
      const isNews = device.plugged?.generation !== port.generation || device.message !== '';
      device.plugged = port;
      device.message = '';
      const ahead = await worker.prepare(port);
      if (ahead.length > 0) annotate(span, ahead);
      await worker.pushAndWait({ kind: 'plug', port, cause: carrier() });
      this.#count();
      if (isNews) {
        const traceId = currentTraceId();
        events.emit({
          kind: 'port-up',
          portId: port.portId,
          networkId: binding.networkId,
          device: device.name,
          message: `${device.name} is plugged`,
          ...(traceId !== undefined && { traceId }),
        });
      }
    });
  }

  /** What speaks against a network of which nothing works here; for one that is held well the host need not be asked. */
  async #refusalNow(facts: NetworkFacts): Promise<string | undefined> {
    const held = this.#tools.networks.get(facts.networkId);
    if (facts.provider === undefined || held?.isFailing === false) return undefined;
    return await this.#tools.dataplane.refusal?.(facts, this.#halt.signal);
  }

  /** What the host lacked may be there by now. */
  #reconsider(device: Device): void {
    if (device.lacking === undefined) return;
    const again = (why: string | undefined): void => {
      if (why !== undefined || !device.refused || device.link === undefined) return;
      device.refused = false;
      this.#go(device);
    };
    this.#refusalNow(device.lacking).then(again, () => undefined);
  }

  /** Says once, to the registry and to whoever watches, that this host cannot serve the port. */
  async #refuse(
    device: Device,
    { portId, networkId, generation, hostId }: PortBinding,
    message: string,
  ): Promise<void> {
    const { registry, events, limits } = this.#tools;
    await this.#release(device);
    if (hostId === limits.hostId) await registry.portFailed({ portId, generation, message }, this.#halt.signal);
    if (device.message !== message) events.emit({ kind: 'refused', portId, networkId, device: device.name, message });
    device.message = message;
    device.refused = true;
  }

  /**
   * A port that comes from another host of a network held here is plugged before it is reported: when the others begin to
   * send here, the frames find their way. Until it is told otherwise it may use its own addresses.
   */
  async #plugKnown(device: Device): Promise<void> {
    if (device.plugged !== undefined) return;
    for (const worker of this.#tools.networks.all) {
      const entry = worker.table.entryOfTap(device.name);
      if (entry === undefined) continue;
      const { portId, mac, ips, generation } = entry;
      const security = this.#tools.securities.newest(portId, OWN_ADDRESSES_ONLY);
      const port = { portId, device: device.name, mac, ips, generation, security };
      device.portId = portId;
      device.networkId = worker.table.networkId;
      device.plugged = port;
      await worker.pushAndWait({ kind: 'plug', port, cause: carrier() });
      return;
    }
  }

  async #down(device: Device): Promise<void> {
    const port = device.plugged;
    if (port === undefined) {
      await this.#release(device);
      await this.#end(device);
      return;
    }
    const { events, limits } = this.#tools;
    const attributes = { 'weft.host.id': limits.hostId, 'weft.port.id': port.portId, 'weft.device': device.name };
    await inSpan('agent.port-down', { parent: 'root', attributes }, async () => {
      const networkId = device.networkId ?? '';
      await this.#release(device);
      events.emit({
        kind: 'port-down',
        portId: port.portId,
        networkId,
        device: device.name,
        message: `${device.name} is gone`,
      });
      await this.#end(device);
    });
  }

  /** The registry may have taken up what this host said of the device, answered or not: it is told of the end. */
  async #end(device: Device): Promise<void> {
    const { registry, downs, reported } = this.#tools;
    if (!reported.names.has(device.name)) return;
    const { portId, heard: generation } = device;
    // What is not known of it is asked for by saying again what was said.
    const known = portId === undefined || generation === undefined ? await this.#claim(device) : { portId, generation };
    // On disk first: a crash between here and the acknowledgement must not lose the word.
    await downs.add({ portId: known.portId, generation: known.generation, device: device.name });
    reported.remove(device.name);
    delete device.heard;
    await downs.report(device.name, registry, this.#halt.signal);
  }

  /** Tells the registry of the device; the answer says which port it is and where that is bound. */
  async #claim(device: Device): Promise<PortBinding> {
    const { registry, reported } = this.#tools;
    reported.add(device.name);
    delete device.heard;
    try {
      const binding = await registry.portUp(reportOf(device), this.#halt.signal);
      device.portId = binding.portId;
      device.heard = binding.generation;
      return binding;
    } catch (thrown) {
      // There is no such port: nothing is bound by this word, nor by an earlier one.
      if (thrown instanceof DomainError && thrown.code === 'not_found') reported.remove(device.name);
      throw thrown;
    }
  }

  async #release(device: Device): Promise<void> {
    if (device.networkId === undefined) return;
    const worker = this.#tools.networks.get(device.networkId);
    const port = device.plugged ?? worker?.table.portOf(device.name);
    if (port === undefined) return;
    delete device.plugged;
    // From a network that is just being given up it is gone anyway.
    await worker?.pushAndWait({ kind: 'unplug', portId: port.portId, cause: carrier() }).catch(() => undefined);
    await this.#tools.networks.releaseIfEmpty(device.networkId);
    this.#count();
  }

  async #releaseLater(networkId: string): Promise<void> {
    // The worker that said so is in the middle of a step; it must end before it can be stopped.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#tools.networks.releaseIfEmpty(networkId);
  }

  #count(): void {
    let plugged = 0;
    for (const device of this.#devices.values()) if (device.plugged !== undefined) plugged += 1;
    localPorts.set(plugged);
  }
}

const isSamePlugging = (a: LocalPort, b: LocalPort): boolean => a.portId === b.portId && a.generation === b.generation;

const sameFacts = (a: DeviceFacts | undefined, b: DeviceFacts): boolean =>
  a?.mac === b.mac && a.networkId === b.networkId && a.vmId === b.vmId;
