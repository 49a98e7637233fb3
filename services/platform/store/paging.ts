import { createHash } from 'node:crypto';
import { invalidField } from '#platform/errors/domain-error.ts';

const scopeMark = (scope: string): string => createHash('sha256').update(scope).digest('base64url').slice(0, 11);

/**
 * The token that continues after the id `after`: opaque, and good only for the query it came from. `scope` is everything
 * that decides what is listed and in which order (method and filters; not the page size). `undefined` gives the empty
 * token of a last page.
 */
export const pageToken = (after: string | undefined, scope: string): string =>
  after === undefined ? '' : Buffer.from(JSON.stringify([scopeMark(scope), after])).toString('base64url');

/**
 * The id to continue after; `undefined` for the empty token, which starts at the beginning. Throws `invalid` for a token
 * that is broken or came from another query.
 */
export const parsePageToken = (token: string, scope: string): string | undefined => {
  if (token === '') return undefined;
  const [mark, after] = readToken(token);
  if (typeof mark !== 'string' || typeof after !== 'string' || after === '') {
    throw invalidField('page_token', token, 'is not a next_page_token of this service');
  }
  if (mark !== scopeMark(scope)) {
    throw invalidField('page_token', token, 'came from a request with other parameters');
  }
  return after;
};

const readToken = (token: string): readonly unknown[] => {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(parsed) && parsed.length === 2 ? parsed : [];
  } catch {
    return [];
  }
};

export interface PageSizes {
  readonly default: number;
  readonly max: number;
}

/** How many items to list: 0 is the default, what is above the most gives the most; negative or not whole is `invalid`. */
export const parsePageSize = (size: number, sizes: PageSizes = { default: 100, max: 1_000 }): number => {
  if (!Number.isInteger(size) || size < 0) throw invalidField('page_size', size, 'must be a whole number of 0 or more');
  return size === 0 ? sizes.default : Math.min(size, sizes.max);
};
