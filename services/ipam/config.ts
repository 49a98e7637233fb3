import { serviceSettings } from '#platform/config/service-settings.ts';
import { defineSettings } from '#platform/config/settings.ts';
import type { Values } from '#platform/config/settings.ts';

/** What ipam is told: what every service is. (It publishes no events, so its `nats` has no effect.) */
export const ipamSettings = defineSettings(serviceSettings('ipam'));

/** The values of `ipamSettings`. */
export type IpamConfig = Values<typeof ipamSettings>;
