import type { OverlayName } from '../../overlay/model/names.ts';

const MARK = '# Written by weft for ';

/** The first lines of a file of ours: whose it is, and what becomes of changes. */
export const headerOf = (owner: OverlayName): string =>
  `${MARK}${owner}; changes are undone. Undo it: weft persist delete ${owner}\n`;

// NetworkManager drops comments when it writes a profile itself; what stands in [user] stays.
const LINES = [/^# Written by weft for (?<owner>[A-Za-z0-9][A-Za-z0-9._-]{0,62});/m, /^weft\.owner=(?<owner>\S+)$/m];

/** For whom weft wrote a file; undefined for a file that is somebody else's. */
export const ownerOf = (text: string): string | undefined => {
  for (const line of LINES) {
    const owner = line.exec(text)?.groups?.['owner'];
    if (owner !== undefined) return owner;
  }
  return undefined;
};
