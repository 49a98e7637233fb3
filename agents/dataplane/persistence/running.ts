import type { HostLink, ObservedHost } from '../overlay/model/observed.ts';
import type { InterfaceAddress } from '../overlay/model/interface-address.ts';
import type { Membership, Persistent, PersistentDevice, VxlanDevice } from './model/devices.ts';

/** What a device of the kernel's kind `vxlan` is set to, as `ip -json -details link` names it. */
export interface VxlanData {
  readonly id?: number;
  readonly local?: string;
  readonly remote?: string;
  readonly port?: number;
}

/** The host as it runs, as far as persistent devices are compared with it. */
export interface Running extends Pick<ObservedHost, 'links'> {
  readonly vxlans: ReadonlyMap<string, VxlanData>;
  /** Of Open vSwitch; absent where it was not asked. */
  readonly ovs?: Pick<ObservedHost, 'bridges' | 'ports'>;
}

/** Something that is not as it should be. */
export interface Difference {
  /** A device, or the path of a file. */
  readonly subject: string;
  /** As a phrase that goes on after the subject. */
  readonly difference: string;
}

/** In what the running host is not what a reboot would bring. */
export const runningDrift = ({ devices }: Persistent, running: Running): readonly Difference[] =>
  devices.flatMap((device) => driftOf(device, running));

const driftOf = (device: PersistentDevice, running: Running): readonly Difference[] => {
  switch (device.kind) {
    case 'bridge':
      return ofLink(device.name, running, { kind: 'bridge', mtu: device.mtu, addresses: device.addresses });
    case 'ovs-bridge': {
      const { name, mtu, addresses } = device;
      if (running.ovs !== undefined && !running.ovs.bridges.has(name)) return [missing(name, 'bridge of Open vSwitch')];
      return ofLink(name, running, { mtu, addresses });
    }
    case 'ovs-tunnel':
      return running.ovs === undefined
        ? []
        : running.ovs.ports.get(device.name)?.bridge === device.bridge
          ? []
          : [missing(device.name, `port of ${device.bridge}`)];
    case 'vxlan': {
      const { name, mtu, master } = device;
      const found = running.vxlans.get(name);
      const differing = found === undefined ? [] : vxlanDrift(device, found);
      return [...ofLink(name, running, { kind: 'vxlan', mtu, ...(master && { master }) }), ...differing];
    }
    case 'veth': {
      const [one, other] = device.ends;
      return [[one, other.name] as const, [other, one.name] as const].flatMap(([{ name, master }, peer]) => {
        const shape = { kind: 'veth', mtu: device.mtu, ...(master && { master }) };
        const link = running.links.get(name);
        const wrongPeer =
          link !== undefined && link.link !== peer
            ? [{ subject: name, difference: `is not the other end of ${peer}` }]
            : [];
        return [...ofLink(name, running, shape), ...wrongPeer];
      });
    }
    case 'nic':
      return ofLink(device.name, running, { mtu: device.mtu, master: device.master });
  }
};

interface Shape {
  readonly kind?: string;
  readonly mtu: number | undefined;
  readonly master?: Membership;
  readonly addresses?: readonly InterfaceAddress[];
}

const ofLink = (name: string, running: Running, shape: Shape): readonly Difference[] => {
  const link = running.links.get(name);
  if (link === undefined) return [missing(name, 'device')];
  const differences = [
    ...(shape.kind !== undefined && link.kind !== shape.kind
      ? [`is a ${link.kind ?? 'device'}, not a ${shape.kind}`]
      : []),
    ...(shape.mtu !== undefined && link.mtu !== shape.mtu
      ? [`has MTU ${link.mtu.toString()}, not ${shape.mtu.toString()}`]
      : []),
    ...(shape.master === undefined || isPortOf(link, shape.master, running)
      ? []
      : [`is not in ${shape.master.bridge}`]),
    ...(link.up ? [] : ['is down']),
    ...(shape.addresses ?? [])
      .filter(({ text }) => !link.addresses.some((each) => each.text === text))
      .map(({ text }) => `lacks ${text}`),
  ];
  return differences.map((difference) => ({ subject: name, difference }));
};

const isPortOf = (link: HostLink, { bridge, kind }: Membership, { ovs }: Running): boolean =>
  kind === 'linux' ? link.master === bridge : ovs === undefined || ovs.ports.get(link.name)?.bridge === bridge;

const vxlanDrift = (wanted: VxlanDevice, found: VxlanData): readonly Difference[] => {
  const pairs = [
    ['VNI', wanted.vni, found.id],
    ['local address', wanted.local, found.local],
    ['remote address', wanted.remote, found.remote],
    ['UDP port', wanted.udpPort, found.port],
  ] as const;
  return pairs.flatMap(([what, should, is]) =>
    should === is
      ? []
      : [{ subject: wanted.name, difference: `has ${what} ${(is ?? 'none').toString()}, not ${should.toString()}` }],
  );
};

const missing = (subject: string, what: string): Difference => ({
  subject,
  difference: `is missing: there is no such ${what}`,
});
