import type { CommandRunner } from '../../sys/command.ts';
import { run, type RemedyStep } from '../finding.ts';

/** The ports that VXLAN goes to: IANA's, and that of Linux before there was one. */
const VXLAN_PORTS = [4789, 8472] as const;

/** The zone that firewalld has the first of these devices in; undefined where firewalld does not run. */
export const firewalldZone = async (
  [device]: readonly string[],
  commands: CommandRunner,
  signal: AbortSignal,
): Promise<string | undefined> => {
  if ((await ask(commands, signal, '--state')) !== 'running') return undefined;
  const bound = device === undefined ? undefined : await ask(commands, signal, `--get-zone-of-interface=${device}`);
  return bound ?? (await ask(commands, signal, '--get-default-zone'));
};

/**
 * Opens the port in the zone, now and for good. The two well-known ones go together: a peer that says nothing of its port has
 * one or the other.
 */
export const openPorts = (port: number, zone: string): readonly RemedyStep[] => {
  const ports = [...new Set([...VXLAN_PORTS, port])].map((each) => `--add-port=${each.toString()}/udp`);
  return [
    run('firewall-cmd', `--zone=${zone}`, ...ports),
    run('firewall-cmd', '--permanent', `--zone=${zone}`, ...ports),
  ];
};

/** What firewall-cmd prints, undefined where it says no, or cannot be run. */
export const ask = async (
  commands: CommandRunner,
  signal: AbortSignal,
  ...argv: readonly string[]
): Promise<string | undefined> => {
  try {
    const { status, stdout } = await commands.run(['firewall-cmd', ...argv], signal);
    return status === 0 ? stdout.trim() : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
};
