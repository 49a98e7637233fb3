import { release } from 'node:os';
import { runProgram, toolEnvironment } from './run.ts';
import { findTool, GUEST_TOOLS, installCommand, PACKAGES, SWITCH_TOOLS } from './tools.ts';
import type { Tool } from './tools.ts';

/** One thing a lab needs of this machine. */
export interface PreflightCheck {
  readonly what: string;
  readonly ok: boolean;
  /** What was found, as one sentence's worth. */
  readonly found: string;
  /** What mends it, as a command or as one can be told; empty where nothing is amiss. */
  readonly mend: string;
}

export interface Preflight {
  readonly ok: boolean;
  readonly checks: readonly PreflightCheck[];
}

/** Kinds of network device that a lab and its hosts need, with the arguments that make one. */
const DEVICES: Readonly<Record<string, readonly string[]>> = {
  bridge: [],
  veth: ['peer', 'name', 'weft1'],
  vxlan: ['id', '1', 'local', '127.0.0.1', 'dstport', '4789'],
};

/** What kind of lab is asked for. */
export interface PreflightWish {
  /** Whether some host shall have Open vSwitch. */
  readonly switches?: boolean;
}

/** Who asks, for tests that are not about this very machine. */
export interface PreflightMachine {
  readonly uid: number;
  readonly find: (tool: Tool) => string | undefined;
}

/**
 * Tells what this machine has of what a lab needs, and for what is missing the command that mends it. Tries the kernel's parts
 * out in a namespace of their own, which ends with the trial. Changes nothing.
 */
export const preflight = async (
  signal: AbortSignal,
  wish: PreflightWish = {},
  machine: PreflightMachine = { uid: process.getuid?.() ?? -1, find: findTool },
): Promise<Preflight> => {
  const tools = (Object.keys(PACKAGES) as Tool[])
    .filter((tool) => (wish.switches === true || !SWITCH_TOOLS.has(tool)) && !GUEST_TOOLS.has(tool))
    .map((tool) => toolCheck(tool, machine.find(tool)));
  const root: PreflightCheck = {
    what: 'root',
    ok: machine.uid === 0,
    found: machine.uid === 0 ? 'runs as root' : `runs as user ${machine.uid.toString()}`,
    mend: machine.uid === 0 ? '' : 'run it with sudo',
  };
  const unshare = machine.find('unshare');
  const ip = machine.find('ip');
  const kernel = unshare === undefined || ip === undefined || !root.ok ? [] : await kernelChecks(unshare, ip, signal);
  const checks = [root, ...tools, ...kernel];
  return { ok: checks.every(({ ok }) => ok), checks };
};

const toolCheck = (tool: Tool, path: string | undefined): PreflightCheck =>
  path === undefined
    ? { what: tool, ok: false, found: 'not found', mend: installCommand(tool) }
    : { what: tool, ok: true, found: path, mend: '' };

const kernelChecks = async (unshare: string, ip: string, signal: AbortSignal): Promise<readonly PreflightCheck[]> => {
  const trial = async (flags: readonly string[], argv: readonly string[]): Promise<string> => {
    const result = await runProgram([unshare, ...flags, '--', ...argv], { env: toolEnvironment() }, signal);
    return result.exitCode === 0 ? '' : result.stderr.trim() || `exit code ${result.exitCode.toString()}`;
  };
  const refused = await trial(['--net', '--mount', '--uts'], [ip, 'link', 'show']);
  const namespaces: PreflightCheck = {
    what: 'namespaces',
    ok: refused === '',
    found: refused === '' ? 'network, mount and UTS namespaces can be made' : refused,
    mend: refused === '' ? '' : 'run it on the machine itself or in a privileged container (docker run --privileged)',
  };
  if (!namespaces.ok) return [namespaces];
  const devices = Object.entries(DEVICES).map(async ([kind, args]): Promise<PreflightCheck> => {
    const error = await trial(['--net'], [ip, 'link', 'add', 'weft0', 'type', kind, ...args]);
    return error === ''
      ? { what: kind, ok: true, found: `the kernel makes ${kind} devices`, mend: '' }
      : { what: kind, ok: false, found: `${error} (kernel ${release()})`, mend: `modprobe ${kind}` };
  });
  return [namespaces, ...(await Promise.all(devices))];
};
