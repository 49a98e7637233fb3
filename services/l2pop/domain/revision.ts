import { invalidField } from '#platform/errors/domain-error.ts';

// Far above what any table reaches, far below where numbers lose their exactness: a table is lifted above what a host says
// it holds, and must be able to go on from there.
const MAX_HELD = 2 ** 48;

/** Reads a revision given by another service. Throws `invalid` beyond what a number holds exactly. */
export const parseRevision = (field: string, text: string): number => {
  const revision = Number(text);
  // The highest one means "gone" in the order of what is known of a port.
  if (!Number.isSafeInteger(revision) || revision < 0 || revision === Number.MAX_SAFE_INTEGER) {
    throw invalidField(field, text, 'is not a revision');
  }
  return revision;
};

/** Reads the revision of a table that a caller says it holds. Throws `invalid`. */
export const parseHeldRevision = (field: string, text: string): number => {
  const revision = Number(text);
  if (!Number.isInteger(revision) || revision < 0 || revision > MAX_HELD) {
    throw invalidField(field, text, `is not a revision from 0 to ${MAX_HELD.toString()}`);
  }
  return revision;
};
