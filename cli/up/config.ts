import { z } from 'zod';
import { address, domainName, durationMs, path, urlList } from '#platform/config/schemas.ts';
import { defineSettings, setting } from '#platform/config/settings.ts';
import type { Values } from '#platform/config/settings.ts';

/** All that can be set of `weft up`. */
export const upSettings = defineSettings({
  dataDir: setting(
    'where Redis and NATS keep their state, and the sockets are',
    path.default('/var/lib/weft/control-plane'),
  ),
  listen: setting(
    'where to serve gRPC besides <data-dir>/weft.sock: host:port, [IPv6]:port or unix:/path, one or more',
    z.array(address).default(['127.0.0.1:7701']),
  ),
  natsListen: setting('where nats-server listens for agents and services', address.default('127.0.0.1:7704')),
  otlpListen: setting(
    'where traces are taken in (OTLP/HTTP), from agents and services',
    address.default('127.0.0.1:7702'),
  ),
  otlpEndpoint: setting(
    'another OTLP/HTTP collector that gets a copy of all traces',
    urlList(['http', 'https']).max(1).default([]),
  ),
  metricsListen: setting('where to serve /metrics for Prometheus; off when unset', address.optional()),
  isolate: setting('run each service as a process of its own, restarted when it dies', z.boolean().default(false)),
  ipamListen: setting(
    'with --isolate: where ipam serves gRPC besides <data-dir>/ipam.sock',
    z.array(address).default(['127.0.0.1:7705']),
  ),
  topologyListen: setting(
    'with --isolate: where topology serves gRPC besides <data-dir>/topology.sock',
    z.array(address).default(['127.0.0.1:7706']),
  ),
  l2popListen: setting(
    'with --isolate: where l2pop serves gRPC besides <data-dir>/l2pop.sock',
    z.array(address).default(['127.0.0.1:7707']),
  ),
  defaultMtu: setting(
    'MTU of networks that do not say: 50 less than the underlay has, 70 less where that is IPv6',
    z.int().min(576).max(65_535).default(1_450),
  ),
  dhcpHostsPerNetwork: setting(
    'on how many hosts of role network each network has a DHCP server',
    z.int().min(1).max(16).default(1),
  ),
  dnsDomain: setting('domain that guests get by DHCP', domainName.default('weft.internal')),
  redisFsync: setting(
    'when Redis writes through to the disk: always, or everysec (a crash may cost the last two seconds)',
    z.enum(['always', 'everysec']).default('always'),
  ),
  traces: setting('how many traces are kept in memory', z.int().min(10).max(100_000).default(5_000)),
  spans: setting('how many spans are kept in memory', z.int().min(1_000).max(5_000_000).default(200_000)),
  logLevel: setting('what to log at least', z.enum(['debug', 'info', 'warn', 'error']).default('info')),
  graceMs: setting('how long each part may take to stop', durationMs({ max: 600_000 }).default(10_000)),
});

/** The settings of `weft up`, parsed. */
export type UpConfig = Values<typeof upSettings>;
