import type { Check } from '../check.ts';
import { udpPortBlocked } from './udp-port-blocked.ts';
import { vxlanMissing } from './vxlan-missing.ts';

/** All checks, in the order in which they are told of. */
export const checks: readonly Check[] = [udpPortBlocked, vxlanMissing];
