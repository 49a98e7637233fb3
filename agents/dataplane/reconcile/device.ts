import { parseMac, type MacAddress } from '#platform/net/mac-address.ts';
import type { DeviceReport } from '../model/control-plane.ts';
import type { LinkEvent } from '../model/host.ts';
import type { LocalPort, NetworkFacts } from '../model/intent.ts';

/** A device that a port is expected behind. */
export interface Device {
  readonly name: string;
  link: LinkEvent | undefined;
  /** Told by the agent's own API: the device's name need not tell the port. */
  portId?: string;
  networkId?: string;
  plugged?: LocalPort;
  /** The generation in the newest answer about it; absent while a word to the registry has none. */
  heard?: bigint;
  /** What others than kernel and switch know of it. */
  facts: DeviceFacts | undefined;
  /** Unplugged by the agent's own API: nothing is reported until the device is new. */
  detached: boolean;
  /** This host cannot serve its port and has said so: saying it again would only make news of it. */
  refused: boolean;
  /** The network that its port was refused for, where that is for what the host is like now. */
  lacking: NetworkFacts | undefined;
  message: string;
  running: Promise<void> | undefined;
  again: boolean;
}

/** What a hypervisor knows of a machine's device that neither kernel nor switch tell. */
export interface DeviceFacts {
  /** The guest's side of it. */
  readonly mac: string;
  readonly networkId?: string;
  readonly vmId: string;
}

/** A device as callers of the API see it. */
export interface DeviceView {
  readonly device: string;
  readonly port: LocalPort | undefined;
  readonly portId: string;
  readonly networkId: string;
  readonly message: string;
}

/** A device of which nothing is known yet. */
export const newDevice = (name: string): Device => ({
  name,
  link: undefined,
  facts: undefined,
  detached: false,
  refused: false,
  lacking: undefined,
  message: '',
  running: undefined,
  again: false,
});

/** What the registry is told of it. */
export const reportOf = (device: Device): DeviceReport => {
  const facts = isOfLink(device) ? device.facts : undefined;
  const networkId = device.networkId ?? facts?.networkId;
  const vmId = device.link?.vmId ?? facts?.vmId;
  return {
    device: device.name,
    ...(device.portId !== undefined && { portId: device.portId }),
    ...(networkId !== undefined && { networkId }),
    ...(vmId !== undefined && { vmId }),
    ...macOf(facts?.mac ?? device.link?.mac),
  };
};

/** A hypervisor is asked now and then: what it said may be of a device that had the name before. */
const isOfLink = ({ facts, link }: Device): boolean =>
  facts !== undefined && link?.mac?.slice(2).toLowerCase() === facts.mac.slice(2);

// A device without a usable MAC address (a tunnel, say) is still identified by its name.
const macOf = (mac: string | undefined): { mac?: MacAddress } => {
  if (mac === undefined) return {};
  try {
    return { mac: parseMac('mac', mac) };
  } catch {
    return {};
  }
};

/** What callers of the API are told of it. */
export const viewOf = (device: Device): DeviceView => ({
  device: device.name,
  port: device.plugged,
  portId: device.plugged?.portId ?? device.portId ?? '',
  networkId: device.networkId ?? '',
  message: device.message,
});
