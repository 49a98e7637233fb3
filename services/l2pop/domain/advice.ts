import type { Uuid } from '#platform/net/names.ts';

/** One network as a host says it holds it. */
export interface ReportedNetwork {
  readonly networkId: Uuid;
  readonly revision: number;
  /** 16 hexadecimal digits; empty when it has not read back since the last report. */
  readonly digest: string;
  readonly digestRevision: number;
  /** Rows repaired since the last report. */
  readonly driftRepaired: number;
}

/** What l2pop holds right about a reported network. */
export interface Verdict {
  /** The table's revision. */
  readonly revision: number;
  /** The digest of the rows the host should have at that revision. */
  readonly expectedDigest: string;
  /**
   * The table had been set back behind what the host holds (its store lost writes), and was lifted above it: changes
   * since the host's revision are not to be had.
   */
  readonly lifted: boolean;
  /** The report told of a higher revision than any before. */
  readonly advanced: boolean;
}

/** What a host should do about a network. */
export interface Advice {
  readonly networkId: Uuid;
  /** The table's. */
  readonly revision: number;
  readonly expectedDigest: string;
  readonly kind: 'fetch-changes' | 'resync';
}

/** What a host should do about a network it reported; undefined: nothing. A digest counts at the current revision only. */
export const adviceFor = (reported: ReportedNetwork, verdict: Verdict): Advice | undefined => {
  const { networkId, revision, digest, digestRevision } = reported;
  const right = { networkId, revision: verdict.revision, expectedDigest: verdict.expectedDigest };
  if (revision < verdict.revision) return { ...right, kind: 'fetch-changes' };
  const wrong = digest !== '' && digestRevision === verdict.revision && digest !== verdict.expectedDigest;
  return wrong ? { ...right, kind: 'resync' } : undefined;
};
