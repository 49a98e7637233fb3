import { z } from 'zod';
import { address, domainName, durationMs } from '#platform/config/schemas.ts';
import { serviceSettings } from '#platform/config/service-settings.ts';
import { defineSettings, setting } from '#platform/config/settings.ts';
import type { Values } from '#platform/config/settings.ts';
import { type Mtu, parseMtu } from '#platform/net/mtu.ts';

/** What topology is told. */
export const topologySettings = defineSettings({
  ...serviceSettings('topology'),
  ipamAddress: setting('where ipam serves gRPC', address.default('unix:/run/weft/ipam.sock')),
  defaultMtu: setting(
    'MTU of networks that do not say: 50 less than the underlay has, 70 less where that is IPv6',
    z.coerce
      .number()
      .int()
      .min(68)
      .max(65_535)
      .default(1_450)
      .transform((mtu): Mtu => parseMtu('default_mtu', mtu)),
  ),
  dhcpHostsPerNetwork: setting(
    'on how many hosts of role network each network has a DHCP server',
    z.coerce.number().int().min(1).max(16).default(1),
  ),
  dnsDomain: setting('domain that guests get by DHCP', domainName.default('weft.internal')),
  eventRetention: setting(
    'how long events are kept for services and watchers that are away',
    durationMs({ min: 60_000 }).default(24 * 60 * 60 * 1_000),
  ),
  eventReplicas: setting('copies of the events in a NATS cluster', z.coerce.number().int().min(1).max(5).default(1)),
});

export type TopologyConfig = Values<typeof topologySettings>;
