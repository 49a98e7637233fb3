import { invalidField } from '#platform/errors/domain-error.ts';
import type { FeedPosition } from '../app/feed.ts';

/** A place in the log of changes, opaque to those who keep it. */
export const resumeToken = ({ log, sequence }: FeedPosition): string =>
  Buffer.from(JSON.stringify([log, sequence])).toString('base64url');

/** Undefined for the empty token, which starts with a snapshot. Throws `invalid` for what never was one. */
export const readResumeToken = (token: string): FeedPosition | undefined => {
  if (token === '') return undefined;
  const [log, sequence] = parts(token);
  if (typeof log !== 'string' || typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 0) {
    throw invalidField('resume_token', token, 'is not a resume_token of this service');
  }
  return { log, sequence };
};

const parts = (token: string): readonly unknown[] => {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
};
