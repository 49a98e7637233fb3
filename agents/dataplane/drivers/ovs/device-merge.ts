import type { LinkEvent } from '../../model/host.ts';

/** A port of the integration bridge that may be a guest's, as the switch's database has it. */
export interface SwitchDevice {
  /** Of the Interface row: a row made anew is another plug. */
  readonly uuid: string;
  /** Whether the agent put it there: then the device alone says whether it is there. */
  readonly isOurs: boolean;
  /** Whether the switch could not open it, or has seen it go. */
  readonly isBroken: boolean;
  /** `external_ids` as libvirt and Nova write them. */
  readonly portId?: string;
  readonly mac?: string;
  readonly vmId?: string;
}

interface Told {
  readonly event: LinkEvent;
  readonly kernelIndex: number | undefined;
  readonly uuid: string | undefined;
}

/**
 * One list of devices out of two: what the kernel has, and what is in the integration bridge. A device is there when both
 * say so, or one of them where the other cannot: a tap nobody has plugged yet, a port whose device the switch is about to
 * make. Pure: tells what changed, as link events.
 */
export class DeviceMerge {
  readonly #bridge: string;
  readonly #kernel = new Map<string, LinkEvent>();
  #switch: ReadonlyMap<string, SwitchDevice> = new Map();
  readonly #told = new Map<string, Told>();
  /** Devices that their owner took out of the bridge, by index: they are nobody's until they are put in again. */
  readonly #released = new Map<string, number>();
  /** Rows whose device the kernel has had. */
  readonly #seen = new Set<string>();
  #listed = false;
  #nextIndex = -1;

  constructor(bridge: string) {
    this.#bridge = bridge;
  }

  /** Whether the kernel has a device, or the bridge has one that the kernel will have. */
  has(device: string): boolean {
    return this.#kernel.has(device) || this.#told.has(device);
  }

  /** The index by which the kernel knows a device; undefined when it has none of that name. */
  kernelIndex(device: string): number | undefined {
    return this.#kernel.get(device)?.index;
  }

  /** Takes up what the kernel tells of a link. */
  link(event: LinkEvent): readonly LinkEvent[] {
    if (event.kind === 'gone') {
      this.#kernel.delete(event.name);
      this.#released.delete(event.name);
    } else this.#kernel.set(event.name, event);
    return this.#evaluate(event.name);
  }

  /** The kernel has told of all links: what it has not told of is not there. */
  listed(): readonly LinkEvent[] {
    this.#listed = true;
    return [...this.#switch.keys()].flatMap((name) => this.#evaluate(name));
  }

  /**
   * Takes up all devices of the integration bridge. With `bridgeIsGone` nobody took them out one by one: they are to be put
   * back, whoever put them there.
   */
  ports(now: ReadonlyMap<string, SwitchDevice>, bridgeIsGone = false): readonly LinkEvent[] {
    const before = this.#switch;
    this.#switch = now;
    const events: LinkEvent[] = [];
    for (const [name, device] of before) {
      if (now.get(name)?.uuid !== device.uuid) this.#seen.delete(device.uuid);
      if (now.has(name)) continue;
      const link = this.#kernel.get(name);
      if (!device.isOurs && !bridgeIsGone && link !== undefined) this.#released.set(name, link.index);
      events.push(...this.#evaluate(name));
    }
    for (const [name, device] of now) {
      if (before.get(name) !== device) events.push(...this.#evaluate(name));
    }
    return events;
  }

  #evaluate(name: string): readonly LinkEvent[] {
    const told = this.#told.get(name);
    const kernel = this.#kernel.get(name);
    const device = this.#switch.get(name);
    if (kernel !== undefined && device !== undefined) this.#seen.add(device.uuid);
    if (!this.#isThere(name, kernel, device)) {
      if (told === undefined) return [];
      this.#told.delete(name);
      return [{ ...told.event, kind: 'gone' }];
    }
    const isSame = told !== undefined && this.#isSame(told, kernel, device);
    const index = isSame ? told.event.index : (kernel?.index ?? this.#nextIndex--);
    const event = this.#eventOf(name, index, kernel, device);
    this.#told.set(name, {
      event,
      kernelIndex: kernel?.index ?? (isSame ? told.kernelIndex : undefined),
      uuid: device?.uuid ?? (isSame ? told.uuid : undefined),
    });
    if (told === undefined) return [event];
    if (!isSame) return [{ ...told.event, kind: 'gone' }, event];
    return sameEvent(told.event, event) ? [] : [event];
  }

  #isThere(name: string, kernel: LinkEvent | undefined, device: SwitchDevice | undefined): boolean {
    if (device === undefined) {
      if (kernel === undefined) return false;
      if (this.#released.get(name) === kernel.index) return false;
      this.#released.delete(name);
      return true;
    }
    this.#released.delete(name);
    if (kernel !== undefined) return true;
    // The device is still to come, unless it was there and went, or the switch has looked for it in vain.
    return this.#listed && !this.#seen.has(device.uuid) && !device.isOurs && !device.isBroken;
  }

  #isSame(told: Told, kernel: LinkEvent | undefined, device: SwitchDevice | undefined): boolean {
    const sameLink = told.kernelIndex === undefined || kernel === undefined || told.kernelIndex === kernel.index;
    const sameRow = told.uuid === undefined || device === undefined || told.uuid === device.uuid || device.isOurs;
    return sameLink && sameRow;
  }

  #eventOf(name: string, index: number, kernel: LinkEvent | undefined, device: SwitchDevice | undefined): LinkEvent {
    const master = device === undefined ? kernel?.master : this.#bridge;
    const mac = device?.mac ?? kernel?.mac;
    return {
      kind: 'present',
      name,
      index,
      ...(master !== undefined && { master }),
      ...(mac !== undefined && { mac }),
      ...(device?.portId !== undefined && { portId: device.portId }),
      ...(device?.vmId !== undefined && { vmId: device.vmId }),
    };
  }
}

const sameEvent = (a: LinkEvent, b: LinkEvent): boolean =>
  a.index === b.index && a.master === b.master && a.mac === b.mac && a.portId === b.portId && a.vmId === b.vmId;
