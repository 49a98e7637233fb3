import { fileURLToPath } from 'node:url';
import { VXLAN_OVERHEAD } from '#platform/net/mtu.ts';
import { AGENT_FLAGS, SERVICE_FLAGS } from './node-flags.ts';
import type { ControlContext, HostContext, ProcessSpec } from './lab/index.ts';

const CLI = fileURLToPath(new URL('./weft.ts', import.meta.url));
const AGENT = fileURLToPath(new URL('../agents/dataplane/main.ts', import.meta.url));

/** Compiled sources outlive a process: without them each one reads and compiles all of weft anew. */
const COMPILE_CACHE = fileURLToPath(new URL('../node_modules/.cache/weft', import.meta.url));

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  NODE_COMPILE_CACHE: COMPILE_CACHE,
  // One pool of memory for all threads, and what is freed goes back (mallopt(3)): glibc's defaults keep tens of megabytes.
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** Ports of a lab's control plane; the namespace is its own. */
export const LAB_PORTS = { weft: 7701, otlp: 7702, nats: 7704, ipam: 7705, topology: 7706, l2pop: 7707 } as const;

/** How a lab's control plane runs: `weft up` on the management address. */
export const controlPlaneProcess = (context: ControlContext, flags: readonly string[] = []): ProcessSpec => {
  const at = (port: number): string => `${context.address}:${port.toString()}`;
  return {
    name: 'up',
    argv: [
      process.execPath,
      ...SERVICE_FLAGS,
      CLI,
      'up',
      ...['--data-dir', context.dataDir, '--listen', at(LAB_PORTS.weft)],
      ...['--nats-listen', at(LAB_PORTS.nats), '--otlp-listen', at(LAB_PORTS.otlp)],
      ...['--default-mtu', networkMtu(context).toString()],
      ...(context.separate
        ? [
            '--isolate',
            ...['--ipam-listen', at(LAB_PORTS.ipam), '--topology-listen', at(LAB_PORTS.topology)],
            ...['--l2pop-listen', at(LAB_PORTS.l2pop)],
          ]
        : []),
      ...flags,
    ],
    env: ENVIRONMENT,
    ready: { tcpPorts: [LAB_PORTS.weft], withinMs: 60_000 },
  };
};

/** What the underlay leaves to guests. */
const networkMtu = ({ hosts: [first] }: ControlContext): number =>
  first === undefined ? 1_450 : first.mtu - VXLAN_OVERHEAD[first.underlay === 'ipv6' ? 6 : 4];

/** How a lab host's agent runs. */
export const agentProcess = (context: HostContext, separate: boolean, flags: readonly string[] = []): ProcessSpec => {
  const at = (port: number): string => `${context.controlAddress}:${port.toString()}`;
  const { provider } = context;
  return agentWith(context, [
    ...['--vtep-address', context.underlayAddress, '--driver', context.driver],
    ...context.roles.flatMap((role) => ['--roles', role]),
    ...(provider === undefined ? [] : ['--bridge-mappings', `${provider.physicalNetwork}:${provider.device}`]),
    ...['--nats', `nats://${at(LAB_PORTS.nats)}`],
    ...['--topology-address', at(separate ? LAB_PORTS.topology : LAB_PORTS.weft)],
    ...['--l2pop-address', at(separate ? LAB_PORTS.l2pop : LAB_PORTS.weft)],
    ...['--otlp-endpoint', `http://${at(LAB_PORTS.otlp)}`],
    ...flags,
  ]);
};

/** How the agent of a lab host runs where there is no control plane. */
export const standaloneAgentProcess = (context: HostContext, flags: readonly string[] = []): ProcessSpec =>
  agentWith(context, ['--standalone', ...flags]);

const agentWith = (context: HostContext, flags: readonly string[]): ProcessSpec => ({
  name: 'agent',
  argv: [
    process.execPath,
    ...AGENT_FLAGS,
    AGENT,
    ...['--host-id', context.name],
    ...['--listen', `unix:${context.runDir}/agent.sock,unix:${context.dataDir}/agent.sock`],
    ...['--state-dir', `${context.dataDir}/agent`],
    ...flags,
  ],
  env: ENVIRONMENT,
  ready: { unixSockets: [`${context.runDir}/agent.sock`, `${context.dataDir}/agent.sock`], withinMs: 60_000 },
});
