import { join } from 'node:path';
import { loadConfig } from '#platform/config/load-config.ts';
import type { Settings, Values } from '#platform/config/settings.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { composeIpam } from '../../services/ipam/compose.ts';
import { ipamSettings } from '../../services/ipam/config.ts';
import { composeL2pop } from '../../services/l2pop/compose.ts';
import { l2popSettings } from '../../services/l2pop/config.ts';
import { composeTopology } from '../../services/topology/compose.ts';
import { topologySettings } from '../../services/topology/config.ts';
import type { Backing } from './backing.ts';
import type { UpConfig } from './config.ts';

/** The three services in this process, to be served by one RPC server on `<data-dir>/weft.sock`. */
export const embeddedServices = (
  config: UpConfig,
  backing: Backing,
  log: Log,
  fail: (error: Error) => void,
): { readonly components: readonly Component[]; readonly services: readonly RpcService[] } => {
  const own = `unix:${join(config.dataDir, 'weft.sock')}`;
  const common = ['--redis', backing.redis, '--nats', backing.nats.join(','), '--log-level', config.logLevel];
  const shared = { log, fail };
  const parts = [
    composeIpam(parsed(ipamSettings, common), shared),
    composeTopology(parsed(topologySettings, [...common, ...topologyFlags(config, own)]), shared),
    composeL2pop(parsed(l2popSettings, [...common, '--topology-address', own]), shared),
  ];
  return {
    components: parts.flatMap(({ components }) => components),
    services: parts.flatMap(({ services }) => services),
  };
};

/** What topology is told besides what every service is, in this process or in its own. */
export const topologyFlags = (config: UpConfig, ipamAddress: string): readonly string[] => [
  ...['--ipam-address', ipamAddress],
  ...['--default-mtu', config.defaultMtu.toString()],
  ...['--dhcp-hosts-per-network', config.dhcpHostsPerNetwork.toString()],
  ...['--dns-domain', config.dnsDomain],
];

const parsed = <const S extends Settings>(settings: S, argv: readonly string[]): Values<S> => {
  const readFile = (path: string): string => {
    throw new DomainError('internal', 'UNEXPECTED_FILE', `${path} is not to be read here`);
  };
  const loaded = loadConfig(settings, { argv, env: {}, readFile });
  if (loaded.help) throw new DomainError('internal', 'UNEXPECTED_HELP', 'no help was asked for');
  return loaded.values;
};
