import type { HostIdentity, NetworkFacts } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { isolationOf, openingOf } from '../../plan/isolation.ts';
import { devicesOf } from './devices.ts';
import { guardKey } from './guard-operations.ts';
import { networkMark, portMark } from './mark.ts';
import { linkKey } from './operations.ts';

/** The steps about one network's links. Each is about the link named in its key. */
export interface LinkOperations {
  addBridge(): Operation;
  addVxlan(): Operation;
  /** The sub-interface of an interface that has the tag of a vlan network. */
  addVlan(name: string, parent: string): Operation;
  /** Says on a device of the network that it is ours. */
  mark(device: string): Operation;
  isolateBridge(): Operation;
  /** Undoes that, where the host becomes a station of the network. */
  openBridge(): Operation;
  /** Any other `ip link set` on a device of the network. */
  set(kind: string, device: string, words: readonly string[], reason: string, portId?: string): Operation;
  /** Puts somebody else's device into the bridge, and notes on it that we did. */
  attachPort(device: string, portId: string, words: readonly string[]): Operation;
  releasePort(device: string, reason: string, portId?: string): Operation;
  /** Takes away a VXLAN device that is made anew by the next step: not a removal. */
  replaceVxlan(reason: string): Operation;
}

/** Words that attach a device: all of them for one that is new to the bridge, else those that differ. */
export const attachWords = (
  network: NetworkFacts,
  portId: string,
): Readonly<Record<'alias' | 'mtu' | 'master', string>> => ({
  alias: portMark(portId),
  mtu: network.mtu.toString(),
  master: devicesOf(network).bridge,
});

export const linkOperations = (host: HostIdentity, network: NetworkFacts): LinkOperations => {
  const { networkId } = network;
  const { bridge, vxlan } = devicesOf(network);
  const step = (
    kind: string,
    device: string,
    argv: readonly string[],
    reason: string,
    more: { readonly portId?: string | undefined; readonly needs?: readonly string[] } = {},
  ): Operation => ({
    kind,
    key: linkKey(device),
    argv,
    reason,
    networkId,
    ...(more.portId !== undefined && { portId: more.portId }),
    ...(more.needs !== undefined && { needs: more.needs }),
  });
  // What follows the making of a device must not happen to another's device of that name.
  const itself = (device: string): readonly string[] => [linkKey(device)];
  const set = (device: string, words: readonly string[]): readonly string[] => [
    'ip',
    'link',
    'set',
    'dev',
    device,
    ...words,
  ];
  const mtu = network.mtu.toString();
  return {
    addBridge: () =>
      step(
        'add-bridge',
        bridge,
        [
          ...['ip', 'link', 'add', 'name', bridge, 'mtu', mtu],
          ...['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0'],
        ],
        `network ${networkId} has no bridge on this host`,
      ),
    addVxlan: () =>
      step(
        'add-vxlan',
        vxlan,
        [
          ...['ip', 'link', 'add', 'name', vxlan, 'mtu', mtu, 'type', 'vxlan', 'id', network.vni.toString()],
          ...['local', host.vtep.address, 'dstport', host.vtep.udpPort.toString(), 'nolearning', 'proxy'],
        ],
        `network ${networkId} has no VXLAN device on this host`,
      ),
    addVlan: (name, parent) =>
      step(
        'add-vlan',
        name,
        ['ip', 'link', 'add', 'link', parent, 'name', name, 'type', 'vlan', 'id', String(network.provider?.vlan)],
        `VLAN ${String(network.provider?.vlan)} of ${network.provider?.physicalNetwork ?? ''} is network ${networkId}`,
      ),
    mark: (device) =>
      step('mark-link', device, set(device, ['alias', networkMark(networkId)]), "marks the device as weft's", {
        needs: itself(device),
      }),
    isolateBridge: () =>
      step(
        'isolate-bridge',
        bridge,
        ['sysctl', '-w', ...isolationOf(bridge)],
        "keeps guests away from the host's own IP stack",
        {
          needs: itself(bridge),
        },
      ),
    openBridge: () =>
      step(
        'open-bridge',
        bridge,
        ['sysctl', '-w', ...openingOf(bridge)],
        "the host's own addresses are on the bridge",
        { needs: itself(bridge) },
      ),
    set: (kind, device, words, reason, portId) =>
      step(kind, device, set(device, words), reason, { portId, needs: itself(device) }),
    attachPort: (device, portId, words) =>
      step('attach-port', device, set(device, words), `port ${portId} is ${device} on this host`, {
        portId,
        // Without its rules it stays outside.
        needs: [linkKey(bridge), guardKey(device)],
      }),
    releasePort: (device, reason, portId) =>
      step('delete-bridge-port', device, set(device, ['nomaster']), reason, { portId }),
    replaceVxlan: (reason) => step('replace-vxlan', vxlan, ['ip', 'link', 'del', 'dev', vxlan], reason),
  };
};
