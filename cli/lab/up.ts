import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { parsePhysicalNetwork } from '#platform/net/names.ts';
import { processEnded } from './daemon.ts';
import { takeDown } from './down.ts';
import { addressLines, BRIDGES_ONLY, furnishHost, setInNamespace, STATION } from './host.ts';
import { all, inParallel } from './in-parallel.ts';
import { controlContext, hostContext } from './lab.ts';
import type { ControlContext, HostContext } from './lab.ts';
import { controlNamespace, DEFAULT_LAB, hostNamespace, LAB_MARK, parseLabName, underlayNamespace } from './names.ts';
import { allNamespaces, recordedNamespaces, refuseExisting } from './namespaces.ts';
import { finishChecksums } from './offload.ts';
import { enterPlace } from './place.ts';
import { bootId, isAlive, processIdentity } from './proc.ts';
import { placeOfRecord, plannedProcess, startRecorded } from './processes.ts';
import type { ProcessSpec } from './processes.ts';
import {
  GATEWAY_DEVICE,
  gatewayLines,
  gatewayNamespaces,
  hasGateway,
  internetProcess,
  parseGatewayAddress,
  PROVIDER_DEVICE,
  PROVIDER_UNNUMBERED,
  ROUTER,
} from './provider.ts';
import type { LabHost, LabRecord, Place, UnderlayFamily } from './record.ts';
import { Tools } from './run.ts';
import { defaultStateDir, isErrno, LabStore, MARKER, openLab, REGISTRY } from './store.ts';
import { configureSwitch, databaseProcess, furnishSwitch, SWITCHED_UNDERLAY, switchProcess } from './switch.ts';
import { DEFAULT_UNDERLAY_MTU, hasSwitches, labHosts, parseUnderlayMtu, UNDERLAY_DEVICE } from './topology.ts';
import { controlAddressLines, underlayLines } from './underlay.ts';

/** A step of making a lab, told when it begins (`done` 0) and for each of its `total` parts. */
export interface LabProgress {
  readonly step: 'namespaces' | 'hosts' | 'underlay' | 'switches' | 'control plane' | 'agents' | 'clearing up';
  readonly done: number;
  readonly total: number;
}

export interface LabUpOptions {
  /** `lab` when left out. */
  readonly name?: string;
  /** Names, or a number n for h1 to hn. */
  readonly hosts: number | readonly string[];
  /** What programs each host, `linuxbridge` or `ovs`, in the order of the hosts; one alone for all; linuxbridge when left out. */
  readonly drivers?: readonly string[];
  /** What each host is for, `network` or `compute`, in the order of the hosts; one alone for all; compute when left out. */
  readonly roles?: readonly string[];
  /** The name of a wire that every host gets a device on, without an address; no such wire when left out. */
  readonly physicalNetwork?: string;
  /** The first host's on the underlay, whose network has 24 bits of prefix, or 64; 192.0.2.11 or 2001:db8:ffff::11 when left out. */
  readonly firstAddress?: string;
  /** Addresses of a gateway on that wire, each with its prefix length; no gateway when left out. */
  readonly providerGateway?: readonly string[];
  /** `ipv4` when left out. */
  readonly underlay?: UnderlayFamily;
  /** Of the underlay's bridge and devices; 1500 when left out. */
  readonly mtu?: number;
  /** An absolute path to a folder that is empty or not there; /var/lib/weft-lab/<name> when left out. `labDown` removes it. */
  readonly stateDir?: string;
  /** Handed on to `controlPlane`. */
  readonly separate?: boolean;
  /** The control plane's processes, started in order, each when the one before is ready; none when left out. */
  readonly controlPlane?: (context: ControlContext) => readonly ProcessSpec[];
  /** A host's agent, by custom named `agent`; all start once the control plane is ready. None when left out. */
  readonly agent?: (context: HostContext) => ProcessSpec;
  readonly progress?: (progress: LabProgress) => void;
}

/** A lab that is up. */
export interface Lab {
  readonly name: string;
  readonly stateDir: string;
  readonly control: ControlContext;
  readonly hosts: readonly HostContext[];
}

/** How many hosts are worked on at once; more only wait for each other in the kernel. */
const AT_ONCE = 8;

/**
 * Makes a lab and resolves once all its processes are ready. When that fails or the signal aborts, takes away what it had
 * made before it rejects. Rejects with `exists` for a name in use (also by a lab left half made), `invalid` for bad options,
 * `precondition` where this machine lacks something, `unavailable` or `deadline` with a log's end for a process that did not
 * come up.
 */
export const labUp = async (options: LabUpOptions, signal: AbortSignal): Promise<Lab> => {
  const name = parseLabName('name', options.name ?? DEFAULT_LAB);
  const store = new LabStore(name, parseStateDir(options.stateDir ?? defaultStateDir(name)));
  const record = newRecord(store, options);
  register(store, record);
  try {
    return await make(store, record, options, signal);
  } catch (error) {
    options.progress?.({ step: 'clearing up', done: 0, total: 1 });
    // With a signal of its own: what was made has to go whether or not the caller has lost patience.
    await takeDown(name, { graceMs: 1_000 }, AbortSignal.timeout(60_000));
    throw error;
  }
};

const parseStateDir = (path: string): string => {
  const clean = normalize(path).replace(/(?<=.)\/+$/, '');
  if (!isAbsolute(clean) || clean === '/') throw invalidField('state_dir', path, 'is not an absolute path to a folder');
  if (/^(?:\/var)?\/run(?:\/|$)/.test(clean)) {
    throw invalidField('state_dir', path, 'is in /run, of which every host has its own');
  }
  return clean;
};

const newRecord = (store: LabStore, options: LabUpOptions): LabRecord => {
  const underlay = options.underlay ?? 'ipv4';
  const owner = processIdentity(process.pid);
  if (owner === undefined) throw new DomainError('precondition', 'NO_PROC', 'the lab needs /proc to be mounted');
  return {
    id: randomUUID(),
    name: store.name,
    phase: 'starting',
    owner,
    bootId: bootId(),
    createdAt: new Date().toISOString(),
    underlay,
    mtu: parseUnderlayMtu(options.mtu ?? DEFAULT_UNDERLAY_MTU, underlay),
    separate: options.separate ?? false,
    hosts: labHosts(options.hosts, underlay, options.drivers, options.roles, options.firstAddress),
    ...parseProvider(options),
  };
};

const parseProvider = ({
  physicalNetwork,
  providerGateway = [],
}: LabUpOptions): Pick<LabRecord, 'physicalNetwork' | 'providerGateway'> => {
  if (physicalNetwork === undefined && providerGateway.length > 0) {
    throw invalidField('provider_gateway', providerGateway.join(','), 'has no physical network that it could be on');
  }
  return {
    ...(physicalNetwork !== undefined && {
      physicalNetwork: parsePhysicalNetwork('physical_network', physicalNetwork),
    }),
    providerGateway: providerGateway.map(parseGatewayAddress),
  };
};

/** Takes the name, which one alone can, then writes down all that will be made before any of it is. */
const register = (store: LabStore, record: LabRecord): void => {
  refuseForeignState(store);
  for (let again = true; again;) {
    // Whoever takes down the last lab removes the folder, perhaps just now.
    mkdirSync(REGISTRY, { recursive: true });
    try {
      symlinkSync(store.stateDir, join(REGISTRY, store.name));
      again = false;
    } catch (error) {
      if (isErrno(error, 'EEXIST')) throw labExists(store);
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  try {
    refuseExisting([...recordedNamespaces(store), ...record.hosts.map((host) => hostNamespace(store.name, host.name))]);
    rmSync(store.stateDir, { recursive: true, force: true });
    for (const folder of ['', 'log', 'data', 'data/control']) {
      mkdirSync(join(store.stateDir, folder), { recursive: true, mode: 0o700 });
      if (folder === '') writeFileSync(join(store.stateDir, MARKER), `${store.name}\n`);
    }
    store.writeLab(record);
  } catch (error) {
    rmSync(join(REGISTRY, store.name));
    throw error;
  }
};

/** What stands in the folder must be nothing, or be left from a lab of this name, e.g. from before a reboot. */
const refuseForeignState = (store: LabStore): void => {
  let names: readonly string[];
  try {
    names = readdirSync(store.stateDir);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  if (names.length === 0) return;
  const marker = names.includes(MARKER) ? readFileSync(join(store.stateDir, MARKER), 'utf8').trim() : undefined;
  if (marker === store.name) return;
  throw invalidField('state_dir', store.stateDir, 'is neither empty nor left by a lab of this name');
};

const labExists = (store: LabStore): DomainError => {
  const other = openLab(store.name)?.lab();
  const half = other?.phase !== 'up' ? ', half made' : '';
  return new DomainError(
    'exists',
    'LAB_EXISTS',
    `lab ${store.name} exists${half}; "weft lab down ${store.name}" removes it, another name makes a second one`,
  );
};

const make = async (store: LabStore, lab: LabRecord, options: LabUpOptions, signal: AbortSignal): Promise<Lab> => {
  const tools = new Tools({ [LAB_MARK]: lab.id });
  const tell = options.progress ?? (() => undefined);
  const underlay = underlayNamespace(store.name);
  const control = controlNamespace(store.name);
  const namespaces = [
    underlay,
    control,
    ...gatewayNamespaces(lab),
    ...lab.hosts.map((host) => hostNamespace(store.name, host.name)),
  ];

  tell({ step: 'namespaces', done: 0, total: namespaces.length });
  await tools.ipBatch(
    undefined,
    namespaces.map((namespace) => `netns add ${namespace}`),
    signal,
  );
  tell({ step: 'namespaces', done: namespaces.length, total: namespaces.length });

  await all([
    setInNamespace(tools, underlay, BRIDGES_ONLY, signal),
    setInNamespace(tools, control, STATION, signal),
    ...gatewayNamespaces(lab).map(async (gateway) => setInNamespace(tools, gateway, [...STATION, ...ROUTER], signal)),
    inSteps(lab.hosts, 'hosts', tell, async (host) => {
      await furnishHost(store, lab, host, tools, signal);
      if (host.driver === 'ovs') await furnishSwitch(store, host, tools, signal);
    }),
  ]);

  tell({ step: 'underlay', done: 0, total: 1 });
  await tools.ipBatch(underlay, underlayLines(lab), signal);
  await all([
    tools.ipBatch(control, controlAddressLines, signal),
    ...gatewayNamespaces(lab).map(async (gateway) => {
      await tools.ipBatch(gateway, gatewayLines(lab), signal);
      if (hasSwitches(lab)) await finishChecksums(tools, gateway, GATEWAY_DEVICE, signal);
    }),
    inParallel(lab.hosts, AT_ONCE, async (host) => {
      const namespace = hostNamespace(store.name, host.name);
      const wired = lab.physicalNetwork !== undefined;
      if (wired) await setInNamespace(tools, namespace, PROVIDER_UNNUMBERED, signal);
      await tools.ipBatch(namespace, addressLines(lab, host), signal);
      if (wired && hasSwitches(lab)) await finishChecksums(tools, namespace, PROVIDER_DEVICE, signal);
      if (host.driver === 'ovs') await setInNamespace(tools, namespace, SWITCHED_UNDERLAY, signal);
      if (hasSwitches(lab)) await finishChecksums(tools, namespace, UNDERLAY_DEVICE, signal);
    }),
  ]);
  tell({ step: 'underlay', done: 1, total: 1 });

  const context = controlContext(store, lab);
  const start = async (place: Place, spec: ProcessSpec): Promise<void> => {
    const planned = plannedProcess(store, place, spec);
    await startRecorded(store, lab.id, planned, enterPlace(store, placeOfRecord(place), planned.cwd), signal);
  };
  if (hasGateway(lab)) await start('gateway', internetProcess());
  const switched = lab.hosts.filter(({ driver }) => driver === 'ovs');
  await inSteps(switched, 'switches', tell, async (host) => {
    await start(host.name, databaseProcess());
    await configureSwitch(store, host, tools, signal);
    await start(host.name, switchProcess());
  });
  const services = options.controlPlane?.(context) ?? [];
  for (const [done, spec] of services.entries()) {
    tell({ step: 'control plane', done, total: services.length });
    await start('control', spec);
    tell({ step: 'control plane', done: done + 1, total: services.length });
  }
  const { agent } = options;
  if (agent !== undefined) {
    await inSteps(lab.hosts, 'agents', tell, async (host) => {
      await start(host.name, agent(hostContext(store, lab, host)));
    });
  }

  refuseIfGone(store, namespaces);
  for (const { place, name: process, identity, log } of store.processes()) {
    if (identity === undefined || !isAlive(identity)) throw processEnded(`${place}/${process}`, log);
  }
  store.writeLab({ ...lab, phase: 'up' });
  return { name: store.name, stateDir: store.stateDir, control: context, hosts: context.hosts };
};

/** Works on hosts in parallel, and tells of each; of none when there are none. */
const inSteps = async (
  hosts: readonly LabHost[],
  step: LabProgress['step'],
  tell: (progress: LabProgress) => void,
  work: (host: LabHost) => Promise<void>,
): Promise<void> => {
  if (hosts.length === 0) return;
  let done = 0;
  tell({ step, done, total: hosts.length });
  await inParallel(hosts, AT_ONCE, async (host) => {
    await work(host);
    done += 1;
    tell({ step, done, total: hosts.length });
  });
};

/** Whoever took the lab down meanwhile did not wait for this: what was made since has to go as well. */
const refuseIfGone = (store: LabStore, namespaces: readonly string[]): void => {
  const existing = new Set(allNamespaces());
  if (openLab(store.name)?.stateDir === store.stateDir && namespaces.every((name) => existing.has(name))) return;
  throw new DomainError('conflict', 'LAB_TAKEN_DOWN', `lab ${store.name} was taken down while it was being made`);
};
