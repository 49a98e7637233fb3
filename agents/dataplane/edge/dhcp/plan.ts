import type { DaemonSpec, EdgeStep, ObservedEdge } from '../core/model.ts';
import { planNamespace, planNamespaceRemoval } from '../core/plan.ts';
import { stepMaker } from '../core/steps.ts';
import type { StepMaker } from '../core/steps.ts';
import { daemonOf, folderOf, versionOf } from './desired.ts';
import type { WantedDhcp } from './desired.ts';
import { parseLeases, staleLeases, withoutLeases } from './leases.ts';
import type { Lease, LeaseFile } from './leases.ts';

/** dnsmasq as it runs. */
export interface ObservedDaemon {
  readonly argv: readonly string[];
  /** Whether it is in the namespace that has the name now. */
  readonly isInNamespace: boolean;
}

/** DHCP of a network as it was seen; a file that is not there is undefined. */
export interface ObservedDhcp {
  readonly edge: ObservedEdge;
  readonly daemon: ObservedDaemon | undefined;
  /** Whether checksums are left to who comes after the device; undefined where that cannot be told. */
  readonly leavesChecksums?: boolean | undefined;
  readonly files: Readonly<Record<'host' | 'addn_hosts' | 'opts' | 'leases' | 'loaded', string | undefined>>;
  /** Lines of leases whose release was asked for a while ago, and that are still there or would be. */
  readonly stubborn: ReadonlySet<string>;
  /** Lines of leases whose release was asked for just now. */
  readonly asked: ReadonlySet<string>;
}

const DAEMON_KEY = 'dnsmasq';

/**
 * desired − observed of a network's DHCP: the files, then dnsmasq, started when it does not run as it should and else told
 * to read again, which loses no request.
 */
export const planDhcp = (wanted: WantedDhcp, observed: ObservedDhcp): readonly EdgeStep[] => {
  const { make, open, prune } = planNamespace(wanted.namespace, observed.edge);
  const steps = stepMaker('dhcp', wanted.namespace.id);
  const files = planFiles(wanted, observed);
  const checksums = observed.leavesChecksums === true ? [finishChecksums(steps, wanted)] : [];
  const daemon = planDaemon(steps, wanted, observed, files.length > 0);
  return [...make, ...checksums, ...files, ...open, ...daemon, ...prune];
};

/** Clients read packets before anything has finished a checksum, and Open vSwitch in user space never does. */
const finishChecksums = (steps: StepMaker, { namespace }: WantedDhcp): EdgeStep => {
  const device = namespace.links[0]?.name ?? '';
  const reason = 'answers leave with whole checksums, whatever carries them';
  return steps.exec('set-offload', `offload:${device}`, ['ethtool', '-K', device, 'tx', 'off'], reason);
};

/** Takes DHCP of a network away: dnsmasq, the namespace, the files. */
export const planDhcpRemoval = (
  networkId: string,
  observed: Pick<ObservedDhcp, 'edge' | 'daemon'> & { readonly hasFiles: boolean },
  stateDir: string,
): readonly EdgeStep[] => {
  const reason = `this host does not serve DHCP of network ${networkId}`;
  const folder = folderOf(stateDir, networkId);
  const steps = stepMaker('dhcp', networkId);
  const daemon = daemonOf(networkId, folder);
  return [
    ...(observed.daemon === undefined ? [] : [endDaemon(steps, daemon, reason)]),
    ...planNamespaceRemoval({ kind: 'dhcp', id: networkId }, observed.edge, reason),
    ...(observed.hasFiles ? [removeFile(networkId, folder, reason)] : []),
  ];
};

const FILES = {
  host: 'which port has which address',
  addn_hosts: 'names of ports',
  opts: 'what guests of each subnet are told',
} as const;

const planFiles = (wanted: WantedDhcp, observed: ObservedDhcp): readonly EdgeStep[] =>
  (['host', 'addn_hosts', 'opts'] as const).flatMap((name) =>
    observed.files[name] === wanted.files[name] ? [] : [writeFile(wanted, name, wanted.files[name], FILES[name])],
  );

const planDaemon = (
  steps: StepMaker,
  wanted: WantedDhcp,
  observed: ObservedDhcp,
  areFilesNew: boolean,
): readonly EdgeStep[] => {
  const { daemon, folder } = wanted;
  const version = versionOf(wanted.files);
  const loaded = writeFile(wanted, 'loaded', version, 'which files dnsmasq has read');
  const leaseFile = parseLeases(observed.files.leases ?? '');
  const stale = staleLeases(leaseFile, wanted.leases);
  const running = observed.daemon;
  const wrong = running === undefined ? 'dnsmasq does not run' : whyRestarted(wanted, running);
  const stays = stale.some(({ line }) => observed.stubborn.has(line));
  if (running !== undefined && wrong === undefined && !stays) {
    const isRead = observed.files.loaded === version && !areFilesNew;
    return [
      ...(isRead ? [] : [reload(steps, daemon), loaded]),
      ...stale.filter(({ line }) => !observed.asked.has(line)).map((lease) => release(steps, wanted, leaseFile, lease)),
    ];
  }
  const reason = wrong ?? 'a lease of a port that is gone was not given back';
  // It reads its leases when it starts, and writes them from then on: nobody else may write them while it runs.
  const leases = withoutLeases(observed.files.leases ?? '', stale);
  return [
    ...(running === undefined ? [] : [endDaemon(steps, daemon, reason)]),
    ...(stale.length === 0 ? [] : [writeFile(wanted, 'leases', leases, 'leases of ports that are gone')]),
    steps.exec('start-daemon', DAEMON_KEY, daemon.argv, reason, {
      act: { kind: 'start-daemon' },
      needs: (['host', 'addn_hosts', 'opts'] as const).map((name) => fileKey(`${folder}/${name}`)),
    }),
    loaded,
  ];
};

const whyRestarted = ({ daemon, namespace }: WantedDhcp, running: ObservedDaemon): string | undefined => {
  if (!running.isInNamespace) return `dnsmasq of network ${namespace.id} is in a namespace that has lost its name`;
  const there = new Set(running.argv.slice(1));
  const missing = daemon.argv.slice(1).find((word) => !there.has(word));
  if (missing !== undefined) return `dnsmasq runs without ${missing}`;
  const words = new Set(daemon.argv);
  const foreign = running.argv.slice(1).find((word) => !words.has(word));
  return foreign === undefined ? undefined : `dnsmasq runs with ${foreign}`;
};

const endDaemon = (steps: StepMaker, daemon: DaemonSpec, reason: string): EdgeStep =>
  ended(steps.host('end-daemon', DAEMON_KEY, [], reason, { act: { kind: 'end-daemon', daemon } }), daemon, []);

const reload = (steps: StepMaker, daemon: DaemonSpec): EdgeStep =>
  ended(
    steps.host('reload-daemon', DAEMON_KEY, [], 'its files have changed', {
      act: { kind: 'signal-daemon', daemon, signal: 'SIGHUP' },
    }),
    daemon,
    ['-HUP'],
  );

/** As a person would do it. */
const ended = (step: EdgeStep, { pidFile }: DaemonSpec, words: readonly string[]): EdgeStep => ({
  ...step,
  argv: ['pkill', ...words, '--pidfile', pidFile],
});

const release = (steps: StepMaker, wanted: WantedDhcp, file: LeaseFile, lease: Lease): EdgeStep => {
  const device = wanted.namespace.links[0]?.name ?? '';
  const argv =
    lease.mac === undefined
      ? [
          ...['dhcp_release6', '--iface', device, '--ip', lease.ip],
          ...['--client-id', lease.duid ?? '', '--server-id', file.serverDuid ?? '', '--iaid', lease.iaid ?? ''],
        ]
      : ['dhcp_release', device, lease.ip, lease.mac];
  return steps.exec(
    'release-lease',
    `lease:${lease.ip}`,
    argv,
    `no port has ${lease.ip} as ${lease.mac ?? lease.duid ?? ''}`,
  );
};

const fileKey = (path: string): string => `file:${path}`;

const writeFile = (wanted: WantedDhcp, name: string, text: string, reason: string): EdgeStep => {
  const path = `${wanted.folder}/${name}`;
  return {
    kind: 'write-file',
    key: fileKey(path),
    argv: ['tee', path],
    reason,
    networkId: wanted.namespace.id,
    act: { kind: 'write-file', path, text },
  };
};

const removeFile = (networkId: string, path: string, reason: string): EdgeStep => ({
  kind: 'delete-files',
  key: fileKey(path),
  argv: ['rm', '-r', path],
  reason,
  networkId,
  act: { kind: 'remove-file', path },
});
