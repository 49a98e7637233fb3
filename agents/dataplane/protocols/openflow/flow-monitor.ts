import { type ByteReader, type ByteWriter, malformed } from './bytes.ts';
import { type FlowId, OFPP } from './flow.ts';
import { OFPT, writeMessage } from './message.ts';
import { readMatch, writeMatch } from './oxm.ts';

/** What was done to a flow. */
export interface FlowUpdate extends FlowId {
  readonly event: 'added' | 'removed' | 'modified';
  readonly cookie: bigint;
}

/** What the switch tells of its flows. */
export interface FlowUpdates {
  updated(update: FlowUpdate): void;
  /** From now on only what is removed is told: more happened than the switch keeps in store. */
  paused(): void;
  /** All is told again; what was added and changed meanwhile, by whomsoever, has just been. */
  resumed(): void;
}

/** The type of multipart messages about flow monitors. */
const OFPMP_FLOW_MONITOR = 16;
const OFPG_ANY = 0xffffffff;
const ALL_TABLES = 0xff;
const OFPFMC_ADD = 0;
/** OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY: changes from now on, without what flows do, and our own in short. */
const FLAGS = 0b1110;
/** OFPFME_*. */
const FULL = { 1: 'added', 2: 'removed', 3: 'modified' } as const;
const ABBREV = 4;
const PAUSED = 5;
const RESUMED = 6;

/** OFPMP_FLOW_MONITOR request (OpenFlow 1.5.1 §7.3.5.17) for all flows; it is the only monitor of its connection. */
export const writeFlowMonitorRequest = (writer: ByteWriter, xid: number): void => {
  writeMessage(writer, OFPT.MULTIPART_REQUEST, xid, () => {
    writer.u16(OFPMP_FLOW_MONITOR);
    writer.u16(0);
    writer.u32(0);
    // The monitor's number.
    writer.u32(1);
    writer.u32(OFPP.ANY);
    writer.u32(OFPG_ANY);
    writer.u16(FLAGS);
    writer.u8(ALL_TABLES);
    writer.u8(OFPFMC_ADD);
    writeMatch(writer, {});
  });
};

const isFull = (event: number): event is keyof typeof FULL => event in FULL;

/** Reads a multipart reply; those about anything else say nothing. */
export const readFlowUpdates = (body: ByteReader, updates: FlowUpdates): void => {
  if (body.u16() !== OFPMP_FLOW_MONITOR) return;
  body.skip(6);
  while (body.remaining > 0) {
    const length = body.u16();
    if (length < 4) throw malformed(`flow update of length ${length.toString()}`);
    const update = body.take(length - 2);
    const event = update.u16();
    if (isFull(event)) updates.updated(readFull(FULL[event], update));
    else if (event === PAUSED) updates.paused();
    else if (event === RESUMED) updates.resumed();
    else if (event !== ABBREV) throw malformed(`flow update of event ${event.toString()}`);
  }
};

/** ofp_flow_update_full after its event. */
const readFull = (event: FlowUpdate['event'], reader: ByteReader): FlowUpdate => {
  const table = reader.u8();
  // The reason, and both timeouts.
  reader.skip(5);
  const priority = reader.u16();
  reader.skip(4);
  const cookie = reader.u64();
  const { match, unknown } = readMatch(reader);
  return { event, table, priority, cookie, match, ...(unknown !== '' && { unknownMatch: unknown }) };
};
