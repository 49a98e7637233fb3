import { parseHostId } from '#platform/net/names.ts';
import { type RpcService, serverStream, service } from '#platform/rpc/handlers.ts';
import { DutyServiceService } from '#proto/weft/topology/v1/duty.ts';
import { type DutyDesk, watchDuties } from '../app/watch-duties.ts';
import { dutyItemMessage } from './duty-message.ts';

/** weft.topology.v1.DutyService. */
export const dutyService = (desk: DutyDesk): RpcService =>
  service(DutyServiceService, {
    watchDuties: serverStream(async function* (request, { signal }) {
      const hostId = parseHostId('host_id', request.host_id);
      for await (const item of watchDuties(desk, hostId, signal)) yield dutyItemMessage(item);
    }),
  });
