import type { InTurns } from '#platform/async/turns.ts';
import {
  fdbRow,
  floodRow,
  formatDigest,
  neighbourRow,
  NO_ROWS,
  rowHash,
  xor,
} from '#platform/net/forwarding-digest.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Rows } from '../model/rows.ts';

/**
 * The digest of what a kernel holds of a network, as l2pop computes it of what it should hold. Rows added by hand are not
 * l2pop's and do not count.
 */
export function* digestOfRows(rows: Rows, manualFlood: ReadonlySet<IpAddress>): InTurns<string> {
  let digest = NO_ROWS;
  for (const [mac, { address }] of rows.fdb) {
    yield;
    digest = xor(digest, rowHash(fdbRow(mac, address)));
  }
  for (const [ip, mac] of rows.neighbours) {
    yield;
    digest = xor(digest, rowHash(neighbourRow(ip, mac)));
  }
  for (const address of rows.flood.keys()) {
    if (!manualFlood.has(address)) digest = xor(digest, rowHash(floodRow(address)));
  }
  return formatDigest(digest);
}
