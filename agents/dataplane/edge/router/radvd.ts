import type { DaemonSpec, EdgeAct, EdgeStep } from '../core/model.ts';
import { namespaceName } from '../core/names.ts';

/** radvd of a router as it was seen. */
export interface ObservedRadvd {
  /** What its configuration file says. */
  readonly config: string | undefined;
  /** `elsewhere`: in a namespace that has lost its name. */
  readonly running: 'no' | 'here' | 'elsewhere';
}

/** Its configuration file. */
export const radvdConfigFile = (folder: string): string => `${folder}/radvd.conf`;

/** radvd(8) of a router; it outlives the agent. */
export const radvdDaemon = (routerId: string, folder: string): DaemonSpec => {
  const pidFile = `${folder}/radvd.pid`;
  return {
    namespace: namespaceName('router', routerId),
    argv: ['radvd', '-C', radvdConfigFile(folder), '-p', pidFile, '-m', 'syslog'],
    pidFile,
  };
};

/** The steps to a radvd that says what is wanted, or to none. */
export const planRadvd = (
  routerId: string,
  wanted: string | undefined,
  seen: ObservedRadvd,
  folder: string,
): readonly EdgeStep[] => {
  if (wanted === undefined) return endRadvd(routerId, seen, folder, 'no interface has an IPv6 subnet');
  const path = radvdConfigFile(folder);
  const daemon = radvdDaemon(routerId, folder);
  const planned: EdgeStep[] = [];
  if (seen.running === 'elsewhere') planned.push(endDaemon(daemon, 'it serves a namespace that was deleted'));
  if (seen.config !== wanted) {
    const act: EdgeAct = { kind: 'write-file', path, text: wanted };
    planned.push(step('write-radvd-config', path, ['tee', path], 'what IPv6 guests are told of their networks', act));
    if (seen.running === 'here') {
      const reload: EdgeAct = { kind: 'signal-daemon', daemon, signal: 'SIGHUP' };
      const argv = ['pkill', '-HUP', '-F', daemon.pidFile];
      planned.push(step('reload-radvd', daemon.pidFile, argv, 'its configuration changed', reload));
    }
  }
  if (seen.running !== 'here') {
    const argv = ['ip', 'netns', 'exec', daemon.namespace, ...daemon.argv];
    const reason = 'an interface has an IPv6 subnet, and nobody advertises it';
    planned.push(step('start-radvd', daemon.pidFile, argv, reason, { kind: 'start-daemon' }));
  }
  return planned;
};

/** Ends it and takes its files away; nothing when there is nothing. */
export const endRadvd = (
  routerId: string,
  seen: ObservedRadvd,
  folder: string,
  reason: string,
): readonly EdgeStep[] => [
  ...(seen.running === 'no' ? [] : [endDaemon(radvdDaemon(routerId, folder), reason)]),
  ...(seen.config === undefined
    ? []
    : [step('remove-radvd-config', folder, ['rm', '-r', folder], reason, { kind: 'remove-file', path: folder })]),
];

const endDaemon = (daemon: DaemonSpec, reason: string): EdgeStep =>
  step('end-radvd', daemon.pidFile, ['pkill', '-F', daemon.pidFile], reason, { kind: 'end-daemon', daemon });

const step = (kind: string, key: string, argv: readonly string[], reason: string, act: EdgeAct): EdgeStep => ({
  ...{ kind, key, argv, reason, act },
});
