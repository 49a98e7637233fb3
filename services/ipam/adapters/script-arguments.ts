import type { LeaseRelease, LeaseRequest } from '../app/lease-book.ts';
import { meetingOrder } from '../domain/leasing.ts';
import type { Lease, Space, Want } from '../domain/leasing.ts';
import type { LeaseKey } from '../domain/lease-key.ts';

/** What `ALLOCATE_SCRIPT` reads. Places count from 1, numbers beyond 2^53 and versions are text. */
interface AllocateArguments {
  /** Fingerprint of the request; empty when it has no id. */
  readonly print: string;
  /** The version the fence must be at; empty when there is none. */
  readonly fence: string;
  readonly holder: string;
  readonly group: string;
  readonly now: string;
  readonly single: boolean;
  readonly dry: boolean;
  readonly spaces: readonly SpaceArguments[];
  readonly wants: readonly WantArguments[];
}

interface SpaceArguments {
  readonly id: string;
  /** Its ranges: `first-last`, comma separated. */
  readonly layout: string;
}

interface WantArguments {
  /** Its place in the request; the list itself is in the order to meet them. */
  readonly rank: number;
  readonly from: readonly number[];
  readonly keys?: readonly LeaseKey[];
  /** Whether another key of these spaces, held already, will do. */
  readonly loose: boolean;
}

/** What `RELEASE_SCRIPT` reads. */
interface ReleaseArguments {
  readonly print: string;
  readonly holder: string;
  readonly group?: string;
  readonly dry: boolean;
  readonly spaces: readonly string[];
  readonly filters: LeaseRelease['filters'];
}

/** The JSON of `AllocateArguments`; `print` is the request's fingerprint or empty. */
export const allocateArguments = (request: LeaseRequest, print: string): string => {
  const { holder, group, spaces, wants, single, fence, now, dryRun } = request;
  const args: AllocateArguments = {
    print,
    fence: fence?.version.toString() ?? '',
    holder,
    group,
    now: now.toString(),
    single,
    dry: dryRun,
    spaces: spaces.map(toSpace),
    wants: meetingOrder(wants).flatMap((at) => {
      const want = wants[at];
      return want === undefined ? [] : [{ rank: at + 1, ...toWant(want) }];
    }),
  };
  return JSON.stringify(args);
};

/** The JSON of `ReleaseArguments`; `spaces` in the order of the script's keys. */
export const releaseArguments = (release: LeaseRelease, spaces: readonly string[], print: string): string => {
  const { holder, group, filters, dryRun } = release;
  const args: ReleaseArguments = {
    print,
    holder,
    ...(group === undefined ? {} : { group }),
    dry: dryRun,
    spaces,
    filters,
  };
  return JSON.stringify(args);
};

/** Reads `key/space/group/ms`, as it stands with a holder. */
export const leaseOfHolder = (holder: string, member: string): Lease => {
  const [key = '', space = '', group = '', ms = ''] = member.split('/');
  return { key: key as LeaseKey, space, group, holder, createdMs: Number(ms) };
};

/** Reads `key/holder/group/ms`, as it stands in a space. */
export const leaseInSpace = (space: string, member: string): Lease => {
  const [key = '', holder = '', group = '', ms = ''] = member.split('/');
  return { key: key as LeaseKey, space, group, holder, createdMs: Number(ms) };
};

const toSpace = ({ id, ranges }: Space): SpaceArguments => ({
  id,
  layout: ranges.map(({ first, last }) => `${first}-${last}`).join(','),
});

const toWant = (want: Want): Omit<WantArguments, 'rank'> => {
  const from = want.from.map((place) => place + 1);
  switch (want.kind) {
    case 'next':
      return { from, loose: true };
    case 'chosen':
      return { from, keys: [want.key], loose: false };
    case 'any':
      return { from, keys: want.keys, loose: true };
  }
};
