import { PROVIDER_DEVICE } from './provider.ts';
import type { LabDriver, LabHost, LabRecord, LabRole, UnderlayFamily } from './record.ts';
import type { LabStore } from './store.ts';
import { HOST_DATA_DIR } from './shared-folders.ts';
import { CONTROL_ADDRESS, underlayDevice, UNDERLAY_PREFIX } from './topology.ts';

/** A host of a lab, as whoever starts its agent needs to know it. */
export interface HostContext {
  readonly lab: string;
  readonly name: string;
  /** From 0, in the order the hosts were named. */
  readonly index: number;
  readonly driver: LabDriver;
  readonly roles: readonly LabRole[];
  /** The provider's wire, and the device on it; absent without such a wire. */
  readonly provider?: { readonly physicalNetwork: string; readonly device: string };
  /** The device that has its address on the underlay, that address, its prefix length and the MTU. */
  readonly underlayDevice: string;
  readonly underlayAddress: string;
  readonly underlayPrefix: number;
  readonly underlay: UnderlayFamily;
  readonly mtu: number;
  /** Its address on the management network, and that of the control plane. */
  readonly managementAddress: string;
  readonly controlAddress: string;
  /** The host's own folder that outlives its processes, as the host sees it and as this machine does. */
  readonly dataDir: string;
  readonly dataDirOutside: string;
  /** The host's own folder for sockets, as the host sees it. */
  readonly runDir: string;
}

/** The control plane's place, as whoever starts its processes needs to know it. It shares this machine's file system. */
export interface ControlContext {
  readonly lab: string;
  /** Where it listens for the hosts. */
  readonly address: string;
  /** Its folder for data and for sockets that are reached from this machine. */
  readonly dataDir: string;
  /** Whether its services shall be processes of their own. */
  readonly separate: boolean;
  readonly hosts: readonly HostContext[];
}

/** Puts together what a host's agent is told. */
export const hostContext = (store: LabStore, lab: LabRecord, host: LabHost): HostContext => ({
  lab: lab.name,
  name: host.name,
  index: host.index,
  driver: host.driver,
  roles: host.roles,
  ...(lab.physicalNetwork !== undefined && {
    provider: { physicalNetwork: lab.physicalNetwork, device: PROVIDER_DEVICE },
  }),
  underlayDevice: underlayDevice(host),
  underlayAddress: host.underlayAddress,
  underlayPrefix: UNDERLAY_PREFIX[lab.underlay],
  underlay: lab.underlay,
  mtu: lab.mtu,
  managementAddress: host.managementAddress,
  controlAddress: CONTROL_ADDRESS,
  dataDir: HOST_DATA_DIR,
  dataDirOutside: store.dataDir(host.name),
  runDir: '/run/weft',
});

/** Puts together what the control plane is told. */
export const controlContext = (store: LabStore, lab: LabRecord): ControlContext => ({
  lab: lab.name,
  address: CONTROL_ADDRESS,
  dataDir: store.dataDir('control'),
  separate: lab.separate,
  hosts: lab.hosts.map((host) => hostContext(store, lab, host)),
});
