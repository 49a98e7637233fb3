import { DomainError } from '#platform/errors/domain-error.ts';
import type { Version } from './store.ts';

/** A record's version as callers see it: an opaque quoted string (RFC 9110 entity tag). */
export const etagOf = (version: Version): string => `"${version.toString(36)}"`;

/** DomainError `conflict` ETAG_MISMATCH when the caller gave an etag and it is not that of `version`. */
export const checkEtag = (given: string, version: Version): void => {
  const current = etagOf(version);
  if (given === '' || given === current) return;
  throw new DomainError(
    'conflict',
    'ETAG_MISMATCH',
    `etag ${given} is not the current ${current}: it changed since it was read`,
    { details: { etag: current } },
  );
};
