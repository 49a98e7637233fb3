import { type ByteReader, type ByteWriter, malformed } from './bytes.ts';
import { checkRange, readActions, writeActions } from './actions.ts';
import { FIELDS } from './fields.ts';
import { OFPP, canonicalField } from './flow.ts';
import type { Action, CookieFilter, FieldValue, Flow, FlowMod } from './flow.ts';
import { OFPT, writeMessage } from './message.ts';
import { fieldValue, fits, misfit, readMatch, writeMatch } from './oxm.ts';

const OFPFC = { add: 0, modify_strict: 2, delete: 3, delete_strict: 4 } as const;
const OFPIT = { GOTO_TABLE: 1, WRITE_METADATA: 2, APPLY_ACTIONS: 4 } as const;
const OFPMP_FLOW_DESC = 1;
const OFPMPF_REPLY_MORE = 1;
const NO_BUFFER = 0xffffffff;
const OFPG_ANY = 0xffffffff;
const LAST_TABLE = 0xfe;
const ALL_TABLES = 0xff;
const LARGEST_16 = 0xffff;
const EVERY_COOKIE_BIT = (1n << 64n) - 1n;

/** OFPT_FLOW_MOD. Throws `invalid`, with nothing written, for what cannot be said in one. */
export const writeFlowMod = (writer: ByteWriter, mod: FlowMod, xid: number): void => {
  writeMessage(writer, OFPT.FLOW_MOD, xid, () => {
    if (mod.command === 'delete') {
      writeCookies(writer, mod);
      const table = mod.table === undefined ? ALL_TABLES : checkRange('table', mod.table, LAST_TABLE);
      writeFixed(writer, OFPFC.delete, { table, priority: 0 });
      writeMatch(writer, mod.match ?? {});
      return;
    }
    const { command, flow } = mod;
    if (command === 'add') writeCookies(writer, { cookie: mod.flow.cookie, cookieMask: 0n });
    else writeCookies(writer, command === 'delete_strict' ? mod : {});
    checkRange('table', flow.table, LAST_TABLE);
    checkRange('priority', flow.priority, LARGEST_16);
    writeFixed(writer, OFPFC[command], flow);
    writeMatch(writer, flow.match, flow.unknownMatch);
    if (command !== 'delete_strict') writeInstructions(writer, mod.flow);
  });
};

/** Without a mask the cookie counts in full; without a cookie any does. */
const writeCookies = (writer: ByteWriter, { cookie, cookieMask }: CookieFilter): void => {
  const mask = cookieMask ?? (cookie === undefined ? 0n : EVERY_COOKIE_BIT);
  writer.u64(cookie ?? 0n);
  writer.u64(mask);
};

const writeFixed = (
  writer: ByteWriter,
  command: number,
  flow: Pick<Flow, 'table' | 'priority' | 'idleTimeout' | 'hardTimeout'>,
): void => {
  writer.u8(flow.table);
  writer.u8(command);
  writer.u16(checkRange('idleTimeout', flow.idleTimeout ?? 0, LARGEST_16));
  writer.u16(checkRange('hardTimeout', flow.hardTimeout ?? 0, LARGEST_16));
  writer.u16(flow.priority);
  writer.u32(NO_BUFFER);
  writer.u32(OFPP.ANY);
  writer.u32(OFPG_ANY);
  // Flags and importance.
  writer.u32(0);
};

const writeInstructions = (writer: ByteWriter, flow: Flow): void => {
  if (flow.actions.length > 0) {
    const start = writer.length;
    writer.u16(OFPIT.APPLY_ACTIONS);
    writer.u16(0);
    writer.u32(0);
    writeActions(writer, flow.actions);
    writer.patchU16(start + 2, writer.length - start);
  }
  if (flow.writeMetadata !== undefined) {
    const oxm = canonicalField(FIELDS.metadata, flow.writeMetadata);
    if (!fits(oxm)) throw misfit('writeMetadata', oxm);
    writer.u16(OFPIT.WRITE_METADATA);
    writer.u16(24);
    writer.u32(0);
    writer.u64(oxm.value);
    writer.u64(oxm.mask ?? FIELDS.metadata.full);
  }
  if (flow.unknownInstructions !== undefined) writer.hex(flow.unknownInstructions);
  if (flow.gotoTable !== undefined) {
    writer.u16(OFPIT.GOTO_TABLE);
    writer.u16(8);
    writer.u8(checkRange('gotoTable', flow.gotoTable, LAST_TABLE));
    writer.zeros(3);
  }
};

/** Which flows to read; all without any of it. */
export interface FlowFilter extends CookieFilter {
  readonly table?: number;
}

/** OFPMP_FLOW_DESC request. */
export const writeFlowsRequest = (writer: ByteWriter, filter: FlowFilter, xid: number): void => {
  writeMessage(writer, OFPT.MULTIPART_REQUEST, xid, () => {
    writer.u16(OFPMP_FLOW_DESC);
    writer.u16(0);
    writer.u32(0);
    writer.u8(filter.table === undefined ? ALL_TABLES : checkRange('table', filter.table, LAST_TABLE));
    writer.zeros(3);
    writer.u32(OFPP.ANY);
    writer.u32(OFPG_ANY);
    writer.u32(0);
    writeCookies(writer, filter);
    writeMatch(writer, {});
  });
};

/** Takes the flows out of one OFPMP_FLOW_DESC reply, and how many packets each has had; says whether another one follows. */
export const readFlowsReply = (body: ByteReader, flows: Flow[], packets: number[] = []): boolean => {
  const type = body.u16();
  if (type !== OFPMP_FLOW_DESC) throw malformed(`multipart reply of type ${type.toString()} to a request for flows`);
  const flags = body.u16();
  body.skip(4);
  while (body.remaining > 0) {
    const length = body.u16();
    if (length < 2) throw malformed(`flow of length ${length.toString()}`);
    flows.push(readFlow(body.take(length - 2), packets));
  }
  return (flags & OFPMPF_REPLY_MORE) !== 0;
};

/** ofp_flow_desc after its length. */
const readFlow = (reader: ByteReader, packets: number[]): Flow => {
  reader.skip(2);
  const table = reader.u8();
  reader.skip(1);
  const priority = reader.u16();
  const idleTimeout = reader.u16();
  const hardTimeout = reader.u16();
  // Flags and importance.
  reader.skip(4);
  const cookie = reader.u64();
  const { match, unknown } = readMatch(reader);
  // Statistics: two reserved octets, their length, then OXS TLVs.
  reader.skip(2);
  const statistics = reader.u16();
  if (statistics < 4) throw malformed(`statistics of length ${statistics.toString()}`);
  packets.push(readPackets(reader.take(((statistics + 7) & ~7) - 4)));
  return {
    table,
    priority,
    cookie,
    match,
    ...(unknown !== '' && { unknownMatch: unknown }),
    ...(idleTimeout !== 0 && { idleTimeout }),
    ...(hardTimeout !== 0 && { hardTimeout }),
    ...readInstructions(reader),
  };
};

/** The packet count of OXS TLVs (OpenFlow 1.5.1 §7.2.4); 0 when it is not told. */
const readPackets = (reader: ByteReader): number => {
  while (reader.remaining >= 4) {
    const header = reader.u32();
    const length = header & 0xff;
    if (header >>> 8 === OXS_PACKET_COUNT && length === 8) return Number(reader.u64());
    reader.skip(Math.min(length, reader.remaining));
  }
  return 0;
};

/** OFPXSC_OPENFLOW_BASIC, OFPXST_OFB_PACKET_COUNT. */
const OXS_PACKET_COUNT = (0x8002 << 8) | (4 << 1);

type Instructions = Pick<Flow, 'actions' | 'writeMetadata' | 'gotoTable' | 'unknownInstructions'>;

const readInstructions = (reader: ByteReader): Instructions => {
  let actions: readonly Action[] = [];
  let gotoTable: number | undefined;
  let writeMetadata: FieldValue | undefined;
  let unknown = '';
  while (reader.remaining > 0) {
    const type = reader.u16();
    const length = reader.u16();
    if (length < 8) throw malformed(`instruction of length ${length.toString()}`);
    const body = reader.take(length - 4);
    if (type === OFPIT.APPLY_ACTIONS) {
      body.skip(4);
      actions = readActions(body);
    } else if (type === OFPIT.WRITE_METADATA) {
      body.skip(4);
      const [value, mask] = [body.u64(), body.u64()];
      writeMetadata = fieldValue(canonicalField(FIELDS.metadata, { value, mask }));
    } else if (type === OFPIT.GOTO_TABLE) gotoTable = body.u8();
    else unknown += (((type << 16) | length) >>> 0).toString(16).padStart(8, '0') + body.hex(body.remaining);
  }
  return {
    actions,
    ...(writeMetadata !== undefined && { writeMetadata }),
    ...(gotoTable !== undefined && { gotoTable }),
    ...(unknown !== '' && { unknownInstructions: unknown }),
  };
};
