import fc from 'fast-check';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { type HostId, parseHostId, parseUuid, type Uuid } from '#platform/net/names.ts';
import { parseUdpPort } from '#platform/net/udp-port.ts';
import type { ForwardingEntry, Vtep } from '../domain/entry.ts';
import { GONE, type OperationBatch, type TableOperation } from '../domain/table.ts';

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** The n-th id of a kind, the same each time. */
const uuidOf = (kind: number, n: number): Uuid => parseUuid('id', `${hex(kind, 8)}-0000-4000-8000-${hex(n, 12)}`);

export const networkOf = (n: number): Uuid => uuidOf(1, n);
export const portOf = (n: number): Uuid => uuidOf(2, n);
export const hostOf = (n: number): HostId => parseHostId('id', `host-${n.toString()}.example`);

/** Host n's VTEP; `move` gives it other addresses. */
export const vtepOf = (n: number, move = 0): Vtep => ({
  hostId: hostOf(n),
  address: parseIp(
    'address',
    n % 2 === 0 ? `192.0.2.${(n * 10 + move).toString()}` : `2001:db8::${hex(n * 16 + move, 1)}`,
  ),
  udpPort: parseUdpPort('port', 4789),
});

/** Where port n is when it is at `vtep`; addresses are n's own. */
export const entryOf = (n: number, vtep: Vtep, generation = 1): ForwardingEntry => ({
  portId: portOf(n),
  mac: parseMac('mac', `fa:16:3e:00:${hex(n >> 8, 2)}:${hex(n & 255, 2)}`),
  ips:
    n % 5 === 4
      ? []
      : [parseIp('ip', `10.0.${(n >> 8).toString()}.${(n & 255).toString()}`), parseIp('ip', `fd00::${hex(n, 1)}`)],
  vtep,
  generation: BigInt(generation),
});

const port = fc.nat({ max: 6 });
const host = fc.nat({ max: 3 });
const revision = fc.integer({ min: 1, max: 8 });
const hostRevision = fc.integer({ min: 0, max: 4 });

/** Operations on few ports and hosts in few revisions, so that they meet. A host's VTEP follows from its revision. */
const arbitraryOperation: fc.Arbitrary<TableOperation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(port, host, revision, hostRevision, fc.boolean())
      .map(([n, at, portRevision, known, redelivered]): TableOperation => ({
        kind: 'set',
        version: { port: portRevision, host: known },
        entry: entryOf(n, vtepOf(at, known >> 1), portRevision),
        redelivered,
      })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(port, revision, fc.constantFrom(0, 2, 3, GONE), fc.boolean())
      .map(([n, portRevision, known, redelivered]): TableOperation => ({
        kind: 'remove',
        portId: portOf(n),
        version: { port: portRevision, host: known },
        redelivered,
      })),
  },
  fc
    .tuple(port, revision)
    .map(([n, portRevision]): TableOperation => ({ kind: 'expel', portId: portOf(n), portRevision })),
);

export const arbitraryBatch: fc.Arbitrary<OperationBatch> = fc
  .tuple(
    fc.array(arbitraryOperation, { minLength: 1, maxLength: 8 }),
    fc.constantFrom('CreatePort', 'ReportPortUp', 'reconcile'),
  )
  .map(([operations, cause]) => ({ operations, cause, time: 1_700_000_000_000 }));
