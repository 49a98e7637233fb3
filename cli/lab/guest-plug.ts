import { lstatSync, readFileSync } from 'node:fs';
import { DomainError } from '#platform/errors/domain-error.ts';
import { attempt } from './attempt.ts';
import { enterPlace, holderOf } from './place.ts';
import type { LabPlace } from './place.ts';
import type { GuestRecord, LabHost } from './record.ts';
import type { RunResult, Tools } from './run.ts';
import type { LabStore } from './store.ts';
import { toolPath } from './tools.ts';

/** The bridge of Open vSwitch that guests are plugged into, by the name that Nova and libvirt know it by. */
const INTEGRATION_BRIDGE = 'br-int';
/** Seconds for which a bridge that an agent is about to make is waited for. */
const PATIENCE_S = '5';
// ovs-vsctl is ended by SIGALRM when its time is over.
const OUT_OF_TIME = 142;

/**
 * Puts a guest's tap into the integration bridge of a host with Open vSwitch, and says whose it is, in the words of Nova and
 * libvirt (`iface-id` is the id of the port); does not wait for ovs-vswitchd. Nothing happens on a host without. Rejects
 * with `precondition` when the bridge is not there and does not come.
 */
export const plugIn = async (
  store: LabStore,
  host: LabHost,
  { name, tap, port }: GuestRecord,
  tools: Tools,
  signal: AbortSignal,
): Promise<void> => {
  if (host.driver !== 'ovs') return;
  const ids = { 'attached-mac': port.mac, 'iface-id': port.id, 'iface-status': 'active', 'vm-id': name };
  const settings = Object.entries(ids).map(([key, value]) => `external_ids:${key}="${value}"`);
  const commands = [
    ...['wait-until', 'Bridge', INTEGRATION_BRIDGE],
    ...['--', '--may-exist', 'add-port', INTEGRATION_BRIDGE, tap],
    ...['--', 'set', 'Interface', tap, ...settings],
  ];
  const result = await vsctl(enterPlace(store, placeOf(host), '/'), commands, tools, signal);
  if (result.exitCode === 0) return;
  if (result.exitCode === OUT_OF_TIME) {
    throw new DomainError(
      'precondition',
      'NO_INTEGRATION_BRIDGE',
      `host ${host.name} has no bridge ${INTEGRATION_BRIDGE}, into which guests are plugged; its agent makes it, or ovs-vsctl add-br`,
    );
  }
  throw new DomainError('internal', 'LAB_COMMAND_FAILED', `ovs-vsctl on ${host.name}: ${result.stderr.trim()}`);
};

/** Takes a guest's tap out again, whether or not the device is still there. A host whose database or holder is gone keeps it. */
export const unplug = async (
  store: LabStore,
  host: LabHost,
  tap: string,
  tools: Tools,
  signal: AbortSignal,
): Promise<void> => {
  if (host.driver !== 'ovs') return;
  const enter = attempt(() => enterPlace(store, placeOf(host), '/'), undefined);
  if (enter !== undefined) await vsctl(enter, ['--if-exists', 'del-port', tap], tools, signal);
};

/** Whether a tap is in a bridge of its host. The userspace datapath has no mark of its own on devices: it makes them promiscuous. */
export const isPlugged = (store: LabStore, host: LabHost, tap: string): boolean => {
  const device = `/proc/${holderOf(store, host.name).pid.toString()}/root/sys/class/net/${tap}`;
  if (host.driver === 'ovs')
    return attempt(() => (Number(readFileSync(`${device}/flags`, 'utf8')) & PROMISCUOUS) !== 0, false);
  return attempt(() => {
    lstatSync(`${device}/master`);
    return true;
  }, false);
};

/** IFF_PROMISC of netdevice(7). */
const PROMISCUOUS = 0x100;

const placeOf = ({ name }: LabHost): LabPlace => ({ kind: 'host', host: name });

const vsctl = async (
  [, ...enter]: readonly string[],
  commands: readonly string[],
  tools: Tools,
  signal: AbortSignal,
): Promise<RunResult> => {
  const argv = [toolPath('ovs-vsctl'), '--no-wait', `--timeout=${PATIENCE_S}`, '--', ...commands];
  return await tools.attempt('nsenter', [...enter, ...argv], signal);
};
