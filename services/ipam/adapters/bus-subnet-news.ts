import type { SubjectBus } from '#platform/nats/subject-bus.ts';
import { carrier } from '#platform/telemetry/spans.ts';
import type { SubnetNews } from '../app/subnets.ts';

const NOTHING = new Uint8Array();

/** Core NATS: subject `weft.ipam.subnets.<network id>`, no content, at most once. Whoever hears it looks. */
export const busSubnetNews =
  (bus: SubjectBus): SubnetNews =>
  (networkId) => {
    bus.publish(`weft.ipam.subnets.${networkId}`, NOTHING, carrier());
  };
