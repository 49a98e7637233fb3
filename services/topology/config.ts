import { z } from 'zod';
import { address, durationMs } from '#platform/config/schemas.ts';
import { serviceSettings } from '#platform/config/service-settings.ts';
import { defineSettings, setting } from '#platform/config/settings.ts';
import type { Values } from '#platform/config/settings.ts';
import { type Mtu, parseMtu } from '#platform/net/mtu.ts';

/** RFC 1123, 2.1, in lower case. */
const DOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

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
  eventRetention: setting(
    'how long events are kept for services and watchers that are away',
    durationMs({ min: 60_000 }).default(24 * 60 * 60 * 1_000),
  ),
  dhcpHostsPerNetwork: setting(
    'on how many hosts of role network each network has a DHCP server',
    z.coerce.number().int().min(1).max(16).default(1),
  ),
  dnsDomain: setting(
    'domain that guests get by DHCP',
    z.string().regex(DOMAIN, { message: 'is not a domain name such as example.org' }).default('weft.internal'),
  ),
  eventReplicas: setting('copies of the events in a NATS cluster', z.coerce.number().int().min(1).max(5).default(1)),
});

export type TopologyConfig = Values<typeof topologySettings>;
