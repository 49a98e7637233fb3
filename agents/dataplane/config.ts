import { hostname } from 'node:os';
import { z } from 'zod';
import { address, durationMs, path, urlList } from '#platform/config/schemas.ts';
import { defineSettings, setting, type Values } from '#platform/config/settings.ts';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import {
  type DeviceName,
  parseDeviceName,
  parseHostId,
  parsePhysicalNetwork,
  type PhysicalNetwork,
} from '#platform/net/names.ts';

const checked = (check: (text: string) => unknown) =>
  z.string().superRefine((text, context) => {
    try {
      check(text);
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  });

/** A physical network and the device that leads to it, of `provider:eth1`. Throws `invalid`. */
export const parseBridgeMapping = (text: string): readonly [PhysicalNetwork, DeviceName] => {
  const [, physicalNetwork, device] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  if (physicalNetwork === undefined || device === undefined) {
    throw invalidField('bridge-mappings', text, 'is not physical-network:device, such as provider:eth1');
  }
  return [parsePhysicalNetwork('bridge-mappings', physicalNetwork), parseDeviceName('bridge-mappings', device)];
};

/** All that can be set of an agent. */
export const agentSettings = defineSettings({
  hostId: setting(
    'id of this host in the control plane',
    checked((text) => parseHostId('host-id', text)).default(() => hostname()),
  ),
  standalone: setting(
    "whether to do without a control plane: only overlays by this agent's own API",
    z.boolean().default(false),
  ),
  vtepAddress: setting(
    'underlay address of this host: IPv4 or IPv6; required unless it stands alone',
    checked((text) => parseUnicastIp('vtep-address', text)).optional(),
  ),
  udpPort: setting(
    'UDP port of VXLAN: 4789 (IANA), 8472 for old Linux peers',
    z.int().min(1).max(65_535).default(4789),
  ),
  driver: setting('dataplane to program', z.enum(['linuxbridge', 'ovs']).default('linuxbridge')),
  ovsBridge: setting(
    'integration bridge of Open vSwitch',
    checked((text) => parseDeviceName('ovs-bridge', text)).default('br-int'),
  ),
  ovsDatapath: setting(
    "datapath of Open vSwitch bridges: system (the kernel's), netdev (user space) or auto (system where there is one)",
    z.enum(['auto', 'system', 'netdev']).default('auto'),
  ),
  ovsRunDir: setting('where Open vSwitch has its sockets', path.default('/run/openvswitch')),
  libvirtRunDir: setting('where libvirt has its sockets', path.default('/run/libvirt')),
  listen: setting(
    'where to serve gRPC: unix:/path, host:port or [IPv6]:port, one or more',
    z.array(address).min(1).default(['unix:/run/weft/agent.sock']),
  ),
  stateDir: setting('where the desired state is kept across restarts', path.default('/var/lib/weft/agent')),
  topologyAddress: setting('where topology serves gRPC', address.default('127.0.0.1:7701')),
  l2popAddress: setting('where l2pop serves gRPC', address.default('127.0.0.1:7701')),
  nats: setting('servers of the NATS cluster', urlList(['nats', 'tls']).default(['nats://127.0.0.1:7704'])),
  otlpEndpoint: setting('OTLP/HTTP collectors that get the traces', urlList(['http', 'https']).default([])),
  metricsListen: setting('where to serve /metrics for Prometheus; off when unset', address.optional()),
  logLevel: setting('what to log at least', z.enum(['debug', 'info', 'warn', 'error']).default('info')),
  labels: setting(
    'labels of this host, key=value',
    z.array(z.string().regex(/^[^=]+=/, 'is not key=value')).default([]),
  ),
  roles: setting(
    'what this host does besides running guests: network (it serves DHCP and routers)',
    z.array(z.enum(['network'])).default([]),
  ),
  bridgeMappings: setting(
    'which interface, or with Open vSwitch which bridge, leads to a physical network: physical-network:device',
    z.array(checked(parseBridgeMapping)).default([]),
  ),
  moveAddresses: setting(
    "whether addresses of the host's own may move to the bridge that takes in their interface",
    z.boolean().default(false),
  ),
  moveBackMs: setting(
    'after such a move, until it is undone unless the control plane is reached',
    durationMs({ min: 100, max: 60_000 }).default(5_000),
  ),
  leaseMs: setting(
    'how long this host counts as alive after its last word',
    durationMs({ min: 1_000, max: 3_600_000 }).default(15_000),
  ),
  settleMs: setting(
    'after the last change of a network until its kernel state is read back',
    durationMs({ min: 10, max: 60_000 }).default(1_000),
  ),
  auditIntervalMs: setting(
    'between two looks at a network that nobody changes, or that never rests',
    durationMs({ min: 100, max: 3_600_000 }).default(30_000),
  ),
  auditSpacingMs: setting(
    'at most this often is one network looked at',
    durationMs({ min: 10, max: 3_600_000 }).default(5_000),
  ),
  reportIntervalMs: setting(
    'between two reports of revisions and digests to l2pop',
    durationMs({ min: 100, max: 3_600_000 }).default(5_000),
  ),
  startGraceMs: setting(
    'how long a start waits for the control plane before it goes by what is on disk',
    durationMs({ max: 60_000 }).default(3_000),
  ),
  graceMs: setting('how long each part may take to stop', durationMs({ max: 600_000 }).default(10_000)),
});

/** An agent's settings, parsed. */
export type AgentConfig = Values<typeof agentSettings>;

/** What no setting says by itself. Throws DomainError `invalid`. */
export const checkAgentConfig = ({ standalone, vtepAddress, bridgeMappings }: AgentConfig): void => {
  const mapped = bridgeMappings.map((mapping) => parseBridgeMapping(mapping));
  const twice = mapped.find((one, at) =>
    mapped.some((other, place) => place < at && (other[0] === one[0] || other[1] === one[1])),
  );
  if (twice !== undefined) {
    const description = `bridge-mappings name ${twice[0]} or ${twice[1]} twice: each physical network has one device of its own`;
    throw new DomainError('invalid', 'BAD_CONFIGURATION', description, {
      violations: [{ field: 'bridge-mappings', description }],
    });
  }
  if (standalone || vtepAddress !== undefined) return;
  const description =
    'vtep-address is required: give --vtep-address or WEFT_VTEP_ADDRESS, or let the agent stand alone with --standalone';
  throw new DomainError('invalid', 'BAD_CONFIGURATION', description, {
    violations: [{ field: 'vtep-address', description }],
  });
};
