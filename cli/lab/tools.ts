import { accessSync, constants, realpathSync } from 'node:fs';
import { DomainError } from '#platform/errors/domain-error.ts';

/** Where programs of the system are looked for; the environment of the caller has no say. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The programs of the system that a lab uses, and what brings each. */
export const PACKAGES = {
  ip: 'iproute2',
  mkdir: 'coreutils',
  mount: 'mount',
  nsenter: 'util-linux',
  sleep: 'coreutils',
  sysctl: 'procps',
  unshare: 'util-linux',
  ethtool: 'ethtool',
  'nats-server': 'nats-server',
  'ovs-vsctl': 'openvswitch-switch',
  'ovs-vswitchd': 'openvswitch-switch',
  'ovsdb-server': 'openvswitch-switch',
  'ovsdb-tool': 'openvswitch-switch',
  'redis-server': 'redis-server',
  udhcpc: 'udhcpc',
} as const;

export type Tool = keyof typeof PACKAGES;

/** Those that only a lab with Open vSwitch uses. */
export const SWITCH_TOOLS: ReadonlySet<Tool> = new Set<Tool>([
  'ethtool',
  'ovs-vsctl',
  'ovs-vswitchd',
  'ovsdb-server',
  'ovsdb-tool',
]);

/** Those that only guests use that ask for their address. */
export const GUEST_TOOLS: ReadonlySet<Tool> = new Set<Tool>(['udhcpc']);

const found = new Map<Tool, string>();

/** The absolute path of a program, or undefined when this machine lacks it. */
export const findTool = (tool: Tool): string | undefined => {
  const known = found.get(tool);
  if (known !== undefined) return known;
  for (const folder of SYSTEM_PATH.split(':')) {
    const path = `${folder}/${tool}`;
    try {
      accessSync(path, constants.X_OK);
      // Resolved, so that it can be compared with /proc/<pid>/exe.
      const real = realpathSync(path);
      // A multi-call binary decides by the name it is called by.
      const usable = real.endsWith(`/${tool}`) ? real : path;
      found.set(tool, usable);
      return usable;
    } catch {
      // Not there: the next folder.
    }
  }
  return undefined;
};

/** The command that installs a program. */
export const installCommand = (tool: Tool): string => `apt-get install --yes --no-install-recommends ${PACKAGES[tool]}`;

/** The absolute path of a program. Throws `precondition` with the command that installs it. */
export const toolPath = (tool: Tool): string => {
  const path = findTool(tool);
  if (path === undefined) {
    throw new DomainError('precondition', 'TOOL_MISSING', `the lab needs ${tool}: ${installCommand(tool)}`, {
      details: { tool },
    });
  }
  return path;
};
