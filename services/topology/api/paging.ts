import { pageToken, parsePageSize, parsePageToken } from '#platform/store/paging.ts';
import type { Listed, PageRequest } from '../app/queries.ts';

interface PageFields {
  readonly page_size: number;
  readonly page_token: string;
}

/** Which page a request asks for. `scope`: what decides what is listed. Throws `invalid`. */
export const readPage = ({ page_size: size, page_token: token }: PageFields, scope: string): PageRequest => ({
  limit: parsePageSize(size),
  after: parsePageToken(token, scope),
});

/** The token of the page after this one. */
export const nextPage = ({ next }: Listed<unknown>, scope: string): { readonly next_page_token: string } => ({
  next_page_token: pageToken(next, scope),
});
