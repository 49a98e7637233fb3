import { attempt } from './attempt.ts';
import { shown } from './guest-view.ts';
import type { Guest } from './guest-view.ts';
import { DEFAULT_LAB, parseLabName } from './names.ts';
import { allNamespaces, recordedNamespaces } from './namespaces.ts';
import { HOLDER } from './place.ts';
import { isAlive, processInfo } from './proc.ts';
import type { LabDriver, LabHost, LabRole, ProcessRecord, UnderlayFamily } from './record.ts';
import { existingLab, registeredLabs } from './store.ts';
import type { LabStore } from './store.ts';

/** A process of a lab as it is now. */
export interface ProcessStatus {
  readonly name: string;
  /** `stopped` by the lab's own call, `dead` by anything else. */
  readonly state: 'running' | 'paused' | 'stopped' | 'dead';
  /** While it runs. */
  readonly pid?: number;
  readonly argv: readonly string[];
  readonly log: string;
}

export interface HostStatus {
  readonly name: string;
  readonly driver: LabDriver;
  readonly roles: readonly LabRole[];
  readonly underlayAddress: string;
  readonly managementAddress: string;
  /** Whether its namespaces are kept. */
  readonly alive: boolean;
  readonly processes: readonly ProcessStatus[];
}

/** `starting` while someone makes it; `broken` when its making was cut short or a namespace or a host's holder is gone. */
export type LabState = 'starting' | 'up' | 'broken';

export interface LabStatus {
  readonly name: string;
  readonly state: LabState;
  readonly stateDir: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly underlay: UnderlayFamily;
  readonly mtu: number;
  readonly separate: boolean;
  readonly controlPlane: readonly ProcessStatus[];
  /** The wire that every host has a device on, and its gateway's addresses; absent without one. */
  readonly provider?: { readonly physicalNetwork: string; readonly gateway: readonly string[] };
  readonly gateway: readonly ProcessStatus[];
  readonly hosts: readonly HostStatus[];
  readonly guests: readonly Guest[];
}

/** One line of `labList`. */
export interface LabSummary {
  readonly name: string;
  readonly state: LabState;
  readonly stateDir: string;
  readonly hosts: number;
  readonly guests: number;
}

/** A lab as it is now, by records and by the kernel. Throws `not_found`. */
export const labStatus = (name: string = DEFAULT_LAB): LabStatus => {
  const store = existingLab(parseLabName('name', name));
  const lab = attempt(() => store.lab(), undefined);
  const processes = attempt(() => store.processes(), []);
  const at = (place: string): readonly ProcessStatus[] =>
    processes.filter((record) => record.place === place && record.name !== HOLDER).map(processStatus);
  return {
    name: store.name,
    state: stateOf(store),
    stateDir: store.stateDir,
    createdAt: lab?.createdAt ?? '',
    underlay: lab?.underlay ?? 'ipv4',
    mtu: lab?.mtu ?? 0,
    separate: lab?.separate ?? false,
    controlPlane: at('control'),
    ...(lab?.physicalNetwork !== undefined && {
      provider: { physicalNetwork: lab.physicalNetwork, gateway: lab.providerGateway },
    }),
    gateway: at('gateway'),
    hosts: (lab?.hosts ?? []).map((host) => ({
      name: host.name,
      driver: host.driver,
      roles: host.roles,
      underlayAddress: host.underlayAddress,
      managementAddress: host.managementAddress,
      alive: isHeld(host, processes),
      processes: at(host.name),
    })),
    guests: attempt(() => store.guests(), []).map((record) => shown(store, record)),
  };
};

/** All labs of this machine by name, also half made and broken ones. */
export const labList = (): readonly LabSummary[] =>
  registeredLabs().map((store) => ({
    name: store.name,
    state: stateOf(store),
    stateDir: store.stateDir,
    hosts: attempt(() => store.lab()?.hosts.length, 0) ?? 0,
    guests: attempt(() => store.guests().length, 0),
  }));

const stateOf = (store: LabStore): LabState => {
  const lab = attempt(() => store.lab(), undefined);
  if (lab === undefined) return 'broken';
  if (lab.phase === 'starting') return isAlive(lab.owner) ? 'starting' : 'broken';
  const namespaces = new Set(allNamespaces());
  const whole = [...recordedNamespaces(store)].every((namespace) => namespaces.has(namespace));
  const processes = attempt(() => store.processes(), []);
  return whole && lab.hosts.every((host) => isHeld(host, processes)) ? 'up' : 'broken';
};

const isHeld = (host: LabHost, processes: readonly ProcessRecord[]): boolean =>
  processes.some(
    ({ place, name, identity }) =>
      place === host.name && name === HOLDER && identity !== undefined && isAlive(identity),
  );

const processStatus = (record: ProcessRecord): ProcessStatus => {
  const { identity } = record;
  const common = { name: record.name, argv: record.argv, log: record.log };
  if (identity === undefined || !isAlive(identity)) {
    return { ...common, state: record.desired === 'stopped' ? 'stopped' : 'dead' };
  }
  const paused = processInfo(identity.pid)?.state === 'T';
  return { ...common, state: paused ? 'paused' : 'running', pid: identity.pid };
};
