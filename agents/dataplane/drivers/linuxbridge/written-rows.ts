import type { Operation } from '../../model/operation.ts';
import type { Rows } from '../../model/rows.ts';
import { FLOOD_MAC } from './operations.ts';

/** What one VXLAN device was last told, by address. */
interface DeviceRows {
  readonly fdb: Map<string, string>;
  readonly neighbours: Map<string, string>;
  readonly flood: Set<string>;
}

/** How long the kernel's word about a row that we have since changed may be on its way. */
const LATE_MS = 3_000;
const MAX_LATE = 4_096;

/**
 * What we last wrote to the VXLAN devices, so that of all that the kernel says about rows only what is not our own doing
 * is passed on. Devices that were neither written nor read back are not known, and nothing is said of them.
 */
export class WrittenRows {
  readonly #devices = new Map<string, DeviceRows>();
  readonly #late = new Map<string, number>();

  /** Takes what was read back as the start for a device not known yet. */
  begin(device: string, rows: Rows): void {
    if (this.#devices.has(device)) return;
    this.#devices.set(device, {
      fdb: new Map([...rows.fdb].map(([mac, { address }]) => [mac, address])),
      neighbours: new Map(rows.neighbours),
      flood: new Set(rows.flood.keys()),
    });
  }

  /** To be told before a step is done, so that the kernel's word never comes first. */
  note({ kind, argv }: Operation): void {
    // The words' places are those that operations.ts gives them.
    const [, , , address = '', , device = '', , to = ''] = argv;
    switch (kind) {
      case 'replace-fdb':
        this.#set(this.#of(device).fdb, device, address, to);
        break;
      case 'delete-fdb':
        this.#unset(this.#devices.get(device)?.fdb, device, address);
        break;
      case 'append-flood':
        this.#of(device).flood.add(to);
        break;
      case 'delete-flood':
        this.#devices.get(device)?.flood.delete(to);
        this.#expect(device, FLOOD_MAC, to);
        break;
      case 'replace-neighbour':
        // ip neigh replace IP lladdr MAC nud permanent dev DEVICE
        this.#set(this.#of(argv[9] ?? '').neighbours, argv[9] ?? '', address, device);
        break;
      case 'delete-neighbour':
        this.#unset(this.#devices.get(device)?.neighbours, device, address);
        break;
      case 'delete-vxlan':
      case 'replace-vxlan':
        // ip link del dev DEVICE
        this.#devices.delete(argv[4] ?? '');
        break;
      default:
        break;
    }
  }

  /** Whether a line of `ip monitor neigh` tells of something that we did not do; the device when it does. */
  foreign(line: string): string | undefined {
    const row = parseRow(line);
    const known = row === undefined ? undefined : this.#devices.get(row.device);
    if (row === undefined || known === undefined) return undefined;
    return this.#isForeign(row, known) ? row.device : undefined;
  }

  #isForeign(row: MonitoredRow, known: DeviceRows): boolean {
    const { device, deleted, address, mac } = row;
    if (row.table === 'bridge') return deleted && known.fdb.has(mac);
    if (row.table === 'neighbour') {
      if (deleted) return known.neighbours.has(address);
      return known.neighbours.get(address) !== mac && !this.#isLate(device, address, mac);
    }
    if (mac === FLOOD_MAC) {
      return deleted ? known.flood.has(address) : !known.flood.has(address) && !this.#isLate(device, mac, address);
    }
    if (deleted) return known.fdb.get(mac) === address;
    return known.fdb.get(mac) !== address && !this.#isLate(device, mac, address);
  }

  #of(device: string): DeviceRows {
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const fresh: DeviceRows = { fdb: new Map(), neighbours: new Map(), flood: new Set() };
    this.#devices.set(device, fresh);
    return fresh;
  }

  #set(table: Map<string, string>, device: string, address: string, to: string): void {
    const before = table.get(address);
    if (before !== undefined && before !== to) this.#expect(device, address, before);
    table.set(address, to);
  }

  #unset(table: Map<string, string> | undefined, device: string, address: string): void {
    const before = table?.get(address);
    if (before !== undefined) this.#expect(device, address, before);
    table?.delete(address);
  }

  #expect(device: string, address: string, to: string): void {
    if (this.#late.size >= MAX_LATE) this.#late.clear();
    this.#late.set(`${device} ${address} ${to}`, performance.now() + LATE_MS);
  }

  #isLate(device: string, address: string, to: string): boolean {
    return (this.#late.get(`${device} ${address} ${to}`) ?? 0) > performance.now();
  }
}

interface MonitoredRow {
  readonly table: 'fdb' | 'bridge' | 'neighbour';
  readonly deleted: boolean;
  readonly device: string;
  /** The VTEP of a row of the VXLAN device, the address of a neighbour. */
  readonly address: string;
  readonly mac: string;
}

const DELETED = 'Deleted ';

/**
 * `[Deleted ][ADDRESS ]dev DEVICE [lladdr MAC ]STATE…`, one form for three tables: forwarding rows are NOARP and, of the
 * bridge, without an address; of neighbours only permanent ones, and the end of any, are of interest.
 */
const parseRow = (line: string): MonitoredRow | undefined => {
  const deleted = line.startsWith(DELETED);
  const words = (deleted ? line.slice(DELETED.length) : line).split(' ');
  const address = words[0] === 'dev' ? '' : (words.shift() ?? '');
  const [dev, device = '', lladdr, mac = ''] = words;
  if (dev !== 'dev') return undefined;
  const base = { deleted, device, address, mac: lladdr === 'lladdr' ? mac : '' };
  if (words.includes('NOARP', 4)) {
    if (address === '') return { ...base, table: 'bridge' };
    // The kernel's own multicast neighbours are NOARP as well, and nothing else.
    return words.includes('REACHABLE', 4) || words.includes('PERMANENT', 4) ? { ...base, table: 'fdb' } : undefined;
  }
  if (address === '') return undefined;
  return deleted || words.includes('PERMANENT', 4) ? { ...base, table: 'neighbour' } : undefined;
};
