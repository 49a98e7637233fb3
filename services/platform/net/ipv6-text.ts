import { ipv4ToNumber } from './ipv4-text.ts';

const COLON = 58;

/** The eight 16-bit groups of an IPv6 address in any form of RFC 4291 §2.2; undefined when it is none (zone ids are none). */
export const ipv6ToGroups = (text: string): readonly number[] | undefined => {
  if (text.length < 2 || text.length > 45) return undefined;
  const head: number[] = [];
  const tail: number[] = [];
  let groups = head;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return undefined;
    groups = tail;
    at = 2;
  }
  while (at < text.length) {
    const end = groupEnd(text, at);
    if (end === text.length && text.includes('.', at)) {
      const embedded = ipv4ToNumber(text.slice(at));
      if (embedded === undefined) return undefined;
      groups.push(embedded >>> 16, embedded & 0xffff);
      break;
    }
    const group = hexGroup(text, at, end);
    if (group === undefined) return undefined;
    groups.push(group);
    if (end === text.length) break;
    at = end + 1;
    if (text.charCodeAt(at) === COLON) {
      if (groups === tail) return undefined;
      groups = tail;
      at += 1;
    } else if (at === text.length) return undefined;
  }
  if (groups === head) return head.length === 8 ? head : undefined;
  // RFC 5952 §4.2.2 lets nobody write `::` for nothing; RFC 4291 asks for one group or more.
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? undefined : [...head, ...Array.from({ length: missing }, () => 0), ...tail];
};

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first such) as `::`. */
export const groupsToIpv6 = (groups: readonly number[]): string => {
  const { start, length } = longestZeroRun(groups);
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return length < 2 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
};

const groupEnd = (text: string, from: number): number => {
  const colon = text.indexOf(':', from);
  return colon === -1 ? text.length : colon;
};

const hexGroup = (text: string, from: number, to: number): number | undefined => {
  if (to === from || to - from > 4) return undefined;
  let value = 0;
  for (let at = from; at < to; at += 1) {
    const digit = hexDigit(text.charCodeAt(at));
    if (digit === undefined) return undefined;
    value = value * 16 + digit;
  }
  return value;
};

const hexDigit = (code: number): number | undefined => {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 && code < 128 ? lower - 87 : undefined;
};

const longestZeroRun = (groups: readonly number[]): { readonly start: number; readonly length: number } => {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [at, group] of groups.entries()) {
    if (group !== 0) start = at + 1;
    else if (at + 1 - start > best.length) best = { start, length: at + 1 - start };
  }
  return best;
};
