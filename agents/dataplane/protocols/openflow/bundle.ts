import type { ByteReader, ByteWriter } from './bytes.ts';
import type { FlowMod } from './flow.ts';
import { writeFlowMod } from './flow-messages.ts';
import { OFPT, writeMessage } from './message.ts';

/** OFPBCT_*: what is said of a bundle, and answered. */
export const OFPBCT = { OPEN_REQUEST: 0, COMMIT_REQUEST: 4, COMMIT_REPLY: 5 } as const;

/** OFPBF_ATOMIC | OFPBF_ORDERED: packets see all of it or nothing, and it is done in the order given. */
const FLAGS = 0b11;

/** OFPT_BUNDLE_CONTROL. */
export const writeBundleControl = (writer: ByteWriter, bundle: number, type: number, xid: number): void => {
  writeMessage(writer, OFPT.BUNDLE_CONTROL, xid, () => {
    writer.u32(bundle);
    writer.u16(type);
    writer.u16(FLAGS);
  });
};

/** OFPT_BUNDLE_ADD_MESSAGE; the message inside must have the xid of the one around it. Throws as `writeFlowMod`. */
export const writeBundleAdd = (writer: ByteWriter, bundle: number, mod: FlowMod, xid: number): void => {
  writeMessage(writer, OFPT.BUNDLE_ADD_MESSAGE, xid, () => {
    writer.u32(bundle);
    writer.u16(0);
    writer.u16(FLAGS);
    writeFlowMod(writer, mod, xid);
  });
};

/** What an OFPT_BUNDLE_CONTROL from the switch says, one of OFPBCT. */
export const readBundleControl = (body: ByteReader): number => {
  body.skip(4);
  return body.u16();
};
