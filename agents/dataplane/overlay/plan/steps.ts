import { VXLAN_PORT } from '#platform/net/udp-port.ts';
import { overlayAlias, OVERLAY_ID } from '../model/names.ts';
import type { OverlayPeer, OverlaySpec } from '../model/spec.ts';
import type { OverlayStep, OvsChange } from '../model/step.ts';

/** The key of all steps about one device, port or bridge: names are unique across them. */
const deviceKey = (device: string): string => `device:${device}`;

/** A step that a program does. */
export const run = (kind: string, device: string, argv: readonly string[], reason: string): OverlayStep => ({
  kind,
  key: deviceKey(device),
  argv,
  reason,
});

/** A step in Open vSwitch' database. */
const change = (device: string, ovs: OvsChange, words: readonly string[], reason: string): OverlayStep => ({
  kind: `ovs-${ovs.kind}`,
  key: deviceKey(device),
  argv: ['ovs-vsctl', ...words],
  reason,
  ovs,
});

/** The same step, pointless when what was to be done to one of the devices before has failed. */
export const needing = (step: OverlayStep, ...devices: readonly string[]): OverlayStep => ({
  ...step,
  needs: devices.map(deviceKey),
});

/** `ip link set dev …` */
export const setLink = (kind: string, device: string, words: readonly string[], reason: string): OverlayStep =>
  needing(run(kind, device, ['ip', 'link', 'set', 'dev', device, ...words], reason), device);

const mark = (
  table: 'Bridge' | 'Port',
  name: string,
  overlay: string,
  more: readonly string[] = [],
): readonly string[] => [...['--', 'set', table, name], ...more, `external_ids:${OVERLAY_ID}=${overlay}`];

export const addBridge = (spec: OverlaySpec, datapathType: string, mtu: number | undefined): OverlayStep => {
  const { bridge, name: overlay } = spec;
  const isSystem = datapathType === 'system';
  return change(
    bridge,
    { kind: 'add-bridge', bridge, overlay, datapathType, ...(mtu !== undefined && { mtuRequest: mtu }) },
    [
      ...['add-br', bridge],
      ...mark('Bridge', bridge, overlay, isSystem ? [] : [`datapath_type=${datapathType}`]),
      ...(mtu === undefined ? [] : ['--', 'set', 'Interface', bridge, `mtu_request=${mtu.toString()}`]),
    ],
    `overlay ${overlay} has no bridge on this host`,
  );
};

export const deleteBridge = (bridge: string, reason: string): OverlayStep =>
  change(bridge, { kind: 'delete-bridge', bridge }, ['del-br', bridge], reason);

/** What makes a tunnel the tunnel it is; options that have their default value are not written. */
export const tunnelOptions = (spec: OverlaySpec, peer: OverlayPeer): Readonly<Record<string, string>> => ({
  remote_ip: peer.remote,
  ...(spec.vni !== undefined && { key: spec.vni.toString() }),
  ...(spec.udpPort !== VXLAN_PORT && { dst_port: spec.udpPort.toString() }),
  ...(spec.local !== undefined && { local_ip: spec.local }),
});

export const addTunnel = (spec: OverlaySpec, peer: OverlayPeer, isProtected: boolean): OverlayStep => {
  const { bridge, name: overlay } = spec;
  const port = peer.device;
  const options = tunnelOptions(spec, peer);
  return needing(
    change(
      port,
      { kind: 'add-port', bridge, port, overlay, type: 'vxlan', options, isProtected },
      [
        ...['add-port', bridge, port, '--', 'set', 'Interface', port, 'type=vxlan'],
        ...Object.entries(options).map(([key, value]) => `options:${key}=${value}`),
        ...mark('Port', port, overlay, isProtected ? ['protected=true'] : []),
      ],
      `${peer.remote} is a peer of overlay ${overlay}`,
    ),
    bridge,
  );
};

/** Puts a device of the host into the overlay's bridge. */
export const addDevicePort = (spec: OverlaySpec, port: string, reason: string): OverlayStep => {
  const { bridge, name: overlay } = spec;
  return needing(
    change(
      port,
      { kind: 'add-port', bridge, port, overlay, type: '', options: {}, isProtected: false },
      ['add-port', bridge, port, ...mark('Port', port, overlay)],
      reason,
    ),
    bridge,
    port,
  );
};

export const markPort = (port: string, overlay: string): OverlayStep =>
  change(
    port,
    { kind: 'mark-port', port, overlay },
    ['set', 'Port', port, `external_ids:${OVERLAY_ID}=${overlay}`],
    "marks the port as weft's",
  );

export const deletePort = (bridge: string, port: string, reason: string): OverlayStep =>
  change(port, { kind: 'delete-port', bridge, port }, ['del-port', bridge, port], reason);

export const setProtected = (port: string, isProtected: boolean, reason: string): OverlayStep =>
  change(
    port,
    { kind: 'set', name: port, columns: { port: { isProtected } } },
    ['set', 'Port', port, `protected=${String(isProtected)}`],
    reason,
  );

/** Sets options of an interface; those with an empty value are taken away. */
export const setOptions = (port: string, options: Readonly<Record<string, string>>, reason: string): OverlayStep => {
  const gone = Object.keys(options).filter((key) => options[key] === '');
  const kept = Object.entries(options).filter(([, value]) => value !== '');
  return change(
    port,
    { kind: 'set', name: port, columns: { interface: { options } } },
    [
      ...(gone.length === 0 ? [] : ['remove', 'Interface', port, 'options', ...gone]),
      ...(gone.length === 0 || kept.length === 0 ? [] : ['--']),
      ...(kept.length === 0 ? [] : ['set', 'Interface', port]),
      ...kept.map(([key, value]) => `options:${key}=${value}`),
    ],
    reason,
  );
};

export const setMtuRequest = (bridge: string, mtu: number, reason: string): OverlayStep =>
  change(
    bridge,
    { kind: 'set', name: bridge, columns: { interface: { mtuRequest: mtu } } },
    ['set', 'Interface', bridge, `mtu_request=${mtu.toString()}`],
    reason,
  );

export const setDatapath = (bridge: string, datapathType: string, reason: string): OverlayStep =>
  change(
    bridge,
    { kind: 'set', name: bridge, columns: { bridge: { datapathType } } },
    ['set', 'Bridge', bridge, `datapath_type=${datapathType}`],
    reason,
  );

export const setStandalone = (bridge: string): OverlayStep =>
  change(
    bridge,
    { kind: 'set', name: bridge, columns: { bridge: { failMode: 'standalone' } } },
    ['set-fail-mode', bridge, 'standalone'],
    'without a controller, a bridge that fails secure forwards nothing',
  );

/** Says on a device which overlay it was made for, and gives it its MTU. */
export const markLink = (spec: OverlaySpec, device: string, mtu: number | undefined): OverlayStep =>
  setLink(
    'mark-link',
    device,
    [...(mtu === undefined ? [] : ['mtu', mtu.toString()]), 'alias', overlayAlias(spec.name)],
    "marks the device as weft's",
  );
