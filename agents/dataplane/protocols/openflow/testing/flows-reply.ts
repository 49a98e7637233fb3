import { ByteReader, ByteWriter } from '../bytes.ts';
import type { Flow } from '../flow.ts';
import { writeFlowMod } from '../flow-messages.ts';
import { OFPT, writeMessage } from '../message.ts';

/** As Open vSwitch sends them: 4 ms, idle for as long, no packets, no octets; and padding. */
const STATISTICS = [
  ...['00000034', '8002000800000000003d0900', '800202080000000000000000'],
  ...['800208080000000000000000', '80020a080000000000000000', '00000000'],
].join('');
/** Where the match stands in ofp_flow_mod. */
const MATCH_AT = 48;

/** The OFPMP_FLOW_DESC reply of a switch that has these flows, as octets. */
export const flowsReply = (flows: readonly Flow[], xid: number, more = false): Uint8Array => {
  const writer = new ByteWriter();
  writeMessage(writer, OFPT.MULTIPART_REPLY, xid, () => {
    writer.u16(1);
    writer.u16(more ? 1 : 0);
    writer.u32(0);
    for (const flow of flows) writeFlowDesc(writer, flow);
  });
  return writer.finish();
};

const writeFlowDesc = (writer: ByteWriter, flow: Flow): void => {
  const mod = new ByteWriter();
  writeFlowMod(mod, { command: 'add', flow }, 0);
  const bytes = mod.finish();
  const start = writer.length;
  writer.u16(0);
  writer.u16(0);
  writer.u8(flow.table);
  writer.u8(0);
  writer.u16(flow.priority);
  writer.u16(flow.idleTimeout ?? 0);
  writer.u16(flow.hardTimeout ?? 0);
  writer.u32(0);
  writer.u64(flow.cookie);
  const matchBytes = (new DataView(bytes.buffer).getUint16(MATCH_AT + 2) + 7) & ~7;
  writer.hex(new ByteReader(bytes, MATCH_AT).hex(matchBytes));
  writer.hex(STATISTICS);
  const instructions = new ByteReader(bytes, MATCH_AT + matchBytes);
  writer.hex(instructions.hex(instructions.remaining));
  writer.patchU16(start, writer.length - start);
};
