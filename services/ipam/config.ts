import { serviceSettings } from '#platform/config/service-settings.ts';
import { defineSettings } from '#platform/config/settings.ts';
import type { Values } from '#platform/config/settings.ts';

/** What ipam is told: what every service is. (It tells of changed subnets over `nats`.) */
export const ipamSettings = defineSettings(serviceSettings('ipam'));

/** The values of `ipamSettings`. */
export type IpamConfig = Values<typeof ipamSettings>;
