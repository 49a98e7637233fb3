import { type DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { type ByteReader, type ByteWriter, malformed } from './bytes.ts';
import { FIELDS } from './fields.ts';
import type { Field } from './fields.ts';
import { OFPP, SAME_TABLE, canonicalField } from './flow.ts';
import type { Action, MovedBits } from './flow.ts';
import { movedBits } from './flow-identity.ts';
import { fieldValue, fits, misfit, readOxm, readOxmHeader, writeOxm, writeOxmHeader } from './oxm.ts';

const OFPAT = { OUTPUT: 0, PUSH_VLAN: 17, POP_VLAN: 18, SET_FIELD: 25, COPY_FIELD: 28, EXPERIMENTER: 0xffff } as const;
/** Open vSwitch's own actions. */
const NX_EXPERIMENTER = 0x00002320;
const NXAST_RESUBMIT_TABLE = 14;
const NXAST_CONTROLLER = 20;
/** After the experimenter: the subtype, what it needs, and padding. */
const NX_BYTES = 8;
/** Why a controller gets a packet: because a flow says so. */
const OFPR_ACTION = 1;
const HEADER_BYTES = 4;
/** Ports up to here are the same in 16 bits; the reserved ones lie this far higher in 32 (openflow-common.h). */
const LARGEST_PORT_16 = 0xff00;
const RESERVED_PORT_OFFSET = 0xffff0000;

/** Writes actions in order. Throws `invalid` for values that do not fit. */
export const writeActions = (writer: ByteWriter, actions: readonly Action[]): void => {
  let at = 0;
  for (const action of actions) {
    if (action.kind === 'unknown') writer.hex(action.bytes);
    else {
      const start = writer.length;
      writeAction(writer, action, at);
      writer.align(start);
      writer.patchU16(start + 2, writer.length - start);
    }
    at += 1;
  }
};

const pathOf = (at: number, part = ''): string => `actions[${at.toString()}]${part}`;

/** The type, and a place for the length. */
const writeHeader = (writer: ByteWriter, type: number): void => {
  writer.u16(type);
  writer.u16(0);
};

/** Type, a place for the length, and the rest; whoever calls aligns it and fills the length in. */
const writeAction = (writer: ByteWriter, action: Exclude<Action, { kind: 'unknown' }>, at: number): void => {
  switch (action.kind) {
    case 'output':
      if (!isWithin(action.port, 0xffffffff)) throw notWithin(pathOf(at, '.port'), action.port, 0xffffffff);
      writeHeader(writer, OFPAT.OUTPUT);
      writer.u32(action.port);
      // How much of a packet a controller gets; not a matter of other ports.
      writer.u16(0);
      return;
    case 'set_field': {
      const oxm = canonicalField(FIELDS[action.field], action);
      if (!fits(oxm)) throw misfit(pathOf(at, '.value'), oxm);
      writeHeader(writer, OFPAT.SET_FIELD);
      writeOxm(writer, oxm);
      return;
    }
    case 'move': {
      const bits = movedBits(action);
      checkMove(at, bits, FIELDS[action.from], bits.from);
      checkMove(at, bits, FIELDS[action.to], bits.to);
      writeHeader(writer, OFPAT.COPY_FIELD);
      writer.u16(bits.count);
      writer.u16(bits.from);
      writer.u16(bits.to);
      writer.u16(0);
      writeOxmHeader(writer, FIELDS[action.from]);
      writeOxmHeader(writer, FIELDS[action.to]);
      return;
    }
    case 'resubmit':
      writeHeader(writer, OFPAT.EXPERIMENTER);
      writer.u32(NX_EXPERIMENTER);
      writer.u16(NXAST_RESUBMIT_TABLE);
      writer.u16(portTo16(pathOf(at, '.port'), action.port ?? OFPP.IN_PORT));
      writer.u8(checkRange(pathOf(at, '.table'), action.table ?? SAME_TABLE, SAME_TABLE));
      return;
    case 'push_vlan':
      writeHeader(writer, OFPAT.PUSH_VLAN);
      writer.u16(checkRange(pathOf(at, '.ethertype'), action.ethertype, 0xffff));
      return;
    case 'pop_vlan':
      writeHeader(writer, OFPAT.POP_VLAN);
      return;
    case 'controller':
      writeHeader(writer, OFPAT.EXPERIMENTER);
      writer.u32(NX_EXPERIMENTER);
      writer.u16(NXAST_CONTROLLER);
      writer.u16(checkRange(pathOf(at, '.maxLength'), action.maxLength, 0xffff));
      writer.u16(checkRange(pathOf(at, '.controllerId'), action.controllerId, 0xffff));
      writer.u8(OFPR_ACTION);
  }
};

const checkMove = (at: number, { count }: MovedBits, field: Field, first: number): void => {
  if (count > 0 && first >= 0 && first + count <= field.bits) return;
  const moved = `bits ${first.toString()} to ${(first + count - 1).toString()}`;
  throw invalidField(pathOf(at), moved, `are not all within the ${field.bits.toString()} bits of ${field.name}`);
};

const isWithin = (value: number, largest: number): boolean => Number.isInteger(value) && value >= 0 && value <= largest;

const notWithin = (path: string, value: number, largest: number): DomainError =>
  invalidField(path, value, `is not a whole number from 0 to ${largest.toString()}`);

/** Throws `invalid` unless it is a whole number from 0 to `largest`. */
export const checkRange = (path: string, value: number, largest: number): number => {
  if (isWithin(value, largest)) return value;
  throw notWithin(path, value, largest);
};

const portTo16 = (path: string, port: number): number => {
  if (port >= RESERVED_PORT_OFFSET + LARGEST_PORT_16) return checkRange(path, port - RESERVED_PORT_OFFSET, 0xffff);
  return checkRange(path, port, LARGEST_PORT_16 - 1);
};

/** Reads actions until there are no more octets; those that `Action` does not have become `unknown`. */
export const readActions = (reader: ByteReader): readonly Action[] => {
  const actions: Action[] = [];
  while (reader.remaining > 0) {
    const type = reader.u16();
    const length = reader.u16();
    if (length < HEADER_BYTES || length % 8 !== 0) throw malformed(`action of length ${length.toString()}`);
    const body = reader.take(length - HEADER_BYTES);
    actions.push(readAction(type, body.again()) ?? unknownAction(type, length, body));
  }
  return actions;
};

const unknownAction = (type: number, length: number, body: ByteReader): Action => {
  const header = ((type << 16) | length) >>> 0;
  return { kind: 'unknown', bytes: header.toString(16).padStart(8, '0') + body.hex(body.remaining) };
};

const readAction = (type: number, body: ByteReader): Action | undefined => {
  switch (type) {
    case OFPAT.OUTPUT: {
      const port = body.u32();
      return port === OFPP.CONTROLLER ? undefined : { kind: 'output', port };
    }
    case OFPAT.SET_FIELD: {
      const oxm = readOxm(body);
      return 'bytes' in oxm ? undefined : { kind: 'set_field', field: oxm.field.name, ...fieldValue(oxm) };
    }
    case OFPAT.COPY_FIELD:
      return readMove(body);
    case OFPAT.PUSH_VLAN:
      return { kind: 'push_vlan', ethertype: body.u16() };
    case OFPAT.POP_VLAN:
      return { kind: 'pop_vlan' };
    case OFPAT.EXPERIMENTER:
      return readExperimenter(body);
    default:
      return undefined;
  }
};

const readMove = (body: ByteReader): Action | undefined => {
  const [count, from, to] = [body.u16(), body.u16(), body.u16()];
  body.skip(2);
  const source = readOxmHeader(body).field;
  // The header of a field of others may be longer than that, so nothing is known of what follows.
  const target = source && readOxmHeader(body).field;
  if (source === undefined || target === undefined) return undefined;
  const whole = from === 0 && to === 0 && count === source.bits && count === target.bits;
  return { kind: 'move', from: source.name, to: target.name, ...(!whole && { bits: { from, to, count } }) };
};

const readExperimenter = (body: ByteReader): Action | undefined => {
  if (body.u32() !== NX_EXPERIMENTER || body.remaining < NX_BYTES) return undefined;
  const subtype = body.u16();
  if (subtype === NXAST_RESUBMIT_TABLE) return readResubmit(body);
  return subtype === NXAST_CONTROLLER ? readController(body) : undefined;
};

const readController = (body: ByteReader): Action | undefined => {
  const [maxLength, controllerId, reason] = [body.u16(), body.u16(), body.u8()];
  return reason === OFPR_ACTION ? { kind: 'controller', maxLength, controllerId } : undefined;
};

const readResubmit = (body: ByteReader): Action => {
  const port = body.u16();
  const table = body.u8();
  const port32 = port >= LARGEST_PORT_16 ? port + RESERVED_PORT_OFFSET : port;
  return {
    kind: 'resubmit',
    ...(port32 !== OFPP.IN_PORT && { port: port32 }),
    ...(table !== SAME_TABLE && { table }),
  };
};
