import { z } from 'zod';
import { address, durationMs } from '#platform/config/schemas.ts';
import { serviceSettings } from '#platform/config/service-settings.ts';
import { defineSettings, setting } from '#platform/config/settings.ts';
import type { Values } from '#platform/config/settings.ts';

/** What l2pop is told. */
export const l2popSettings = defineSettings({
  ...serviceSettings('l2pop'),
  topologyAddress: setting('where topology serves gRPC', address.default('unix:/run/weft/topology.sock')),
  reconcileInterval: setting(
    'how often all tables are compared with topology',
    durationMs({ min: 1_000, max: 86_400_000 }).default(60_000),
  ),
  changesKept: setting(
    "how many of a network's changes are kept for hosts that missed them, about",
    z.coerce.number().int().min(100).max(1_000_000).default(10_000),
  ),
  withdrawDeadHosts: setting(
    'take the ports of a host whose lease has ended out of the tables until it is back',
    z.stringbool().or(z.boolean()).default(false),
  ),
  eventRetention: setting(
    'how long events are kept for services that are away; the same as in topology',
    durationMs({ min: 60_000 }).default(24 * 60 * 60 * 1_000),
  ),
  eventReplicas: setting(
    'copies of the events in a NATS cluster; the same as in topology',
    z.coerce.number().int().min(1).max(5).default(1),
  ),
});

export type L2popConfig = Values<typeof l2popSettings>;
