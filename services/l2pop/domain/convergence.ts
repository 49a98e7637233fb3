import type { HostRecord, Member, TableState } from './table.ts';

/** How far one host is with one network. */
export interface HostProgress {
  readonly member: Member;
  readonly ackedRevision: number;
  /** Revisions it is behind the table. */
  readonly lag: number;
  /**
   * It acknowledged the current revision, and the digest it last read back was right for the revision it then held. A host
   * that has not read back yet, or so long ago that nobody can judge it, counts by its acknowledgement alone.
   */
  readonly inSync: boolean;
}

/** How far each host of a table is. */
export const progressOf = ({ revision, members }: TableState): readonly HostProgress[] =>
  members.map((member) => {
    const ackedRevision = member.record?.ackedRevision ?? 0;
    return {
      member,
      ackedRevision,
      lag: Math.max(0, revision - ackedRevision),
      inSync: ackedRevision >= revision && !knownWrong(member.record),
    };
  });

/** Those who have not acknowledged `revision`. */
export const laggards = (state: TableState, revision: number): readonly HostProgress[] =>
  progressOf(state).filter((host) => host.ackedRevision < revision);

const knownWrong = (record: HostRecord | undefined): boolean =>
  record !== undefined &&
  record.digest !== '' &&
  record.expectedDigest !== '' &&
  record.digest !== record.expectedDigest;
