import type { ByteReader, ByteWriter } from './bytes.ts';
import { OFPT, writeMessage } from './message.ts';
import { readMatch } from './oxm.ts';

/** A packet that a flow sent here. */
export interface PacketIn {
  /** Of the flow. */
  readonly cookie: bigint;
  /** As it came in, from its Ethernet header on; perhaps not all of it. */
  readonly data: Uint8Array;
}

/** Open vSwitch's own messages. */
const NX_EXPERIMENTER = 0x00002320;
const NXT_SET_CONTROLLER_ID = 20;
/** OFPCML_NO_BUFFER: the whole packet. */
const WHOLE = 0xffff;

/**
 * Asks for packets that flows send to the controller of that id; it takes two messages, the second one with the next xid.
 * A management connection is sent none before it has said how much of one it wants (ovs-ofctl(8), `monitor`). The id keeps
 * what others send to a controller, which is number 0, away from here, and what is sent here from others.
 */
export const writePacketsRequest = (writer: ByteWriter, controllerId: number, xid: number): void => {
  writeMessage(writer, OFPT.EXPERIMENTER, xid, () => {
    writer.u32(NX_EXPERIMENTER);
    writer.u32(NXT_SET_CONTROLLER_ID);
    writer.zeros(6);
    writer.u16(controllerId);
  });
  writeMessage(writer, OFPT.SET_CONFIG, xid + 1, () => {
    writer.u16(0);
    writer.u16(WHOLE);
  });
};

/** OFPT_PACKET_IN (OpenFlow 1.5.1 §7.4.1). */
export const readPacketIn = (body: ByteReader): PacketIn => {
  // Buffer, length of the whole, reason and table.
  body.skip(8);
  const cookie = body.u64();
  readMatch(body);
  body.skip(2);
  return { cookie, data: body.octets(body.remaining) };
};
