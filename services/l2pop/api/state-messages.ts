import type { HostNetworkState, NetworkState } from '#proto/weft/l2pop/v1/l2pop.ts';
import { type HostProgress, progressOf } from '../domain/convergence.ts';
import type { TableState } from '../domain/table.ts';
import { vtepMessage } from './forwarding-messages.ts';

export const networkStateMessage = (state: TableState): NetworkState => ({
  network_id: state.networkId,
  revision: state.revision.toString(),
  entry_count: state.members.reduce((sum, { entries }) => sum + entries, 0),
  vteps: state.members.map(({ vtep }) => vtepMessage(vtep)),
  hosts: progressOf(state).map((progress) => hostStateMessage(state.networkId, progress)),
});

export const hostStateMessage = (
  networkId: string,
  { member, ackedRevision, lag, inSync }: HostProgress,
): HostNetworkState => {
  const { record } = member;
  return {
    host_id: member.vtep.hostId,
    network_id: networkId,
    acked_revision: ackedRevision.toString(),
    lag: lag.toString(),
    digest: record?.digest ?? '',
    digest_revision: (record?.digestRevision ?? 0).toString(),
    expected_digest: record?.expectedDigest ?? '',
    in_sync: inSync,
    ...(record !== undefined && { report_time: new Date(record.time).toISOString() }),
    drift_repaired: record?.driftRepaired ?? 0,
  };
};
