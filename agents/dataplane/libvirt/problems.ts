import type { HostBridges, NetworkDefinition } from './observed.ts';

/** Why machines in a network will not start, and what mends it. */
export interface LibvirtProblem {
  readonly reason: 'BRIDGE_MISSING' | 'BRIDGE_WITHOUT_DEVICE' | 'WRONG_VIRTUALPORT';
  readonly message: string;
  readonly cure: string;
}

/**
 * What libvirt does not check before a machine fails to start. It asks the kernel for a device of the bridge's name, and then
 * adds the machine's device to the bridge, by Open vSwitch or the kernel as the network's virtualport says: bridge, its own
 * port, that port's interface and the name in libvirt must all be one.
 */
export const problemOf = (
  network: string,
  definition: Pick<NetworkDefinition, 'forward' | 'bridge' | 'virtualPort'>,
  host: HostBridges,
): LibvirtProblem | undefined => {
  const { forward, bridge, virtualPort } = definition;
  if (forward !== 'bridge') return undefined;
  const applyTo = (right: string): string => `weft libvirt network apply ${network} --bridge ${right} --force`;
  const isSwitch = host.openvswitch.has(bridge);
  if (!isSwitch && !host.kernel.has(bridge)) {
    const meant = [...host.openvswitch, ...host.kernel].find((name) => alike(name) === alike(bridge));
    return {
      reason: 'BRIDGE_MISSING',
      message:
        `libvirt network ${network} leads into bridge ${bridge}, and this host has none of that name` +
        (meant === undefined ? '' : `; it has ${meant}`),
      cure: meant === undefined ? `ovs-vsctl add-br ${bridge}` : applyTo(meant),
    };
  }
  if (isSwitch && !host.devices.has(bridge)) {
    return {
      reason: 'BRIDGE_WITHOUT_DEVICE',
      message:
        `the Open vSwitch bridge ${bridge} of libvirt network ${network} has no port and interface of its own name, ` +
        'which libvirt looks for: ovs-bridge, ovs-port and ovs-interface must be called the same',
      cure: `ovs-vsctl --may-exist add-port ${bridge} ${bridge} -- set Interface ${bridge} type=internal`,
    };
  }
  if (isSwitch !== (virtualPort === 'openvswitch')) {
    const kind = isSwitch ? 'of Open vSwitch' : "the kernel's";
    const has = virtualPort === undefined ? 'no virtualport' : `virtualport ${virtualPort}`;
    return {
      reason: 'WRONG_VIRTUALPORT',
      message: `bridge ${bridge} of libvirt network ${network} is ${kind}, and the network has ${has}: machines will not start`,
      cure: applyTo(bridge),
    };
  }
  return undefined;
};

/** The same to who reads it aloud: ovs-sw0, ovs_sw0, OVSsw0. */
const alike = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
