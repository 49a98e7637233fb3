import type { OverlaySpec } from '../../overlay/model/spec.ts';
import { tunnelOptions } from '../../overlay/plan/steps.ts';
import type { OvsBridgeDevice, OvsTunnel, PersistentDevice, VethPair } from './devices.ts';

/** What the host has decided about an overlay, where it is known. */
export interface OverlayFacts {
  readonly mtu?: number;
  readonly datapathType?: string;
}

/** The devices of an overlay as the agent makes them. Same overlay, same list. */
export const devicesOfOverlay = (
  spec: OverlaySpec,
  { mtu, datapathType }: OverlayFacts,
): readonly PersistentDevice[] => {
  const ofMtu = mtu === undefined ? {} : { mtu };
  const bridge: OvsBridgeDevice = {
    kind: 'ovs-bridge',
    name: spec.bridge,
    isUserspace: datapathType === 'netdev',
    addresses: spec.addresses,
    ...ofMtu,
  };
  const tunnels = spec.peers.map((peer): OvsTunnel => ({
    kind: 'ovs-tunnel',
    name: peer.device,
    bridge: spec.bridge,
    options: tunnelOptions(spec, peer),
    isProtected: spec.peers.length > 1,
  }));
  const links = spec.links.map(({ bridge: other, device, peerDevice }): VethPair => ({
    kind: 'veth',
    isMarked: true,
    ends: [
      { name: device, master: { bridge: spec.bridge, kind: 'ovs' }, softwareChecksum: false },
      { name: peerDevice, master: { bridge: other, kind: 'linux' }, softwareChecksum: datapathType === 'netdev' },
    ],
    ...ofMtu,
  }));
  return [bridge, ...tunnels, ...links];
};
