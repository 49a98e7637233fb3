import { invalidField } from '#platform/errors/domain-error.ts';
import { type ByteReader, type ByteWriter, malformed } from './bytes.ts';
import { fieldByNumber } from './fields.ts';
import type { Field, FieldName, Prerequisite } from './fields.ts';
import { canonicalFields } from './flow.ts';
import type { CanonicalField, FieldValue, Match } from './flow.ts';

const OFPMT_OXM = 1;
const EXPERIMENTER_CLASS = 0xffff;
const HAS_MASK = 1;
const HEADER_BYTES = 4;

/** OXM TLVs (OpenFlow 1.5.1 §7.2.3.2): header, value and, where one is given, mask. */
export const writeOxm = (writer: ByteWriter, { field, value, mask }: CanonicalField): void => {
  writeOxmHeader(writer, field, mask !== undefined);
  writer.uint(value, field.bytes);
  if (mask !== undefined) writer.uint(mask, field.bytes);
};

/** The header alone names a field. */
export const writeOxmHeader = (writer: ByteWriter, field: Field, hasMask = false): void => {
  writer.u16(field.oxmClass);
  writer.u8((field.number << 1) | (hasMask ? HAS_MASK : 0));
  writer.u8(hasMask ? field.bytes * 2 : field.bytes);
};

/** Throws `invalid` for a value that the field cannot have; `path` is where it stands. */
export const checkValue = (path: string, { field, value, mask }: CanonicalField): void => {
  if (value < 0n || value > field.full) {
    throw invalidField(path, value, `does not fit the ${field.bits.toString()} bits of ${field.name}`);
  }
  if (mask !== undefined && (mask < 0n || mask > field.full)) {
    throw invalidField(`${path}.mask`, mask, `does not fit the ${field.bits.toString()} bits of ${field.name}`);
  }
};

/**
 * A match as ofp_match, padded to eight octets. Throws `invalid` for values that do not fit, masks where the field takes none
 * and fields whose prerequisites are not in the match.
 */
export const writeMatch = (writer: ByteWriter, match: Match, unknown = ''): void => {
  const start = writer.length;
  writer.u16(OFPMT_OXM);
  writer.u16(0);
  for (const oxm of canonicalFields(match)) {
    const { field } = oxm;
    checkValue(`match.${field.name}`, oxm);
    if (oxm.mask !== undefined && !field.maskable) {
      throw invalidField(`match.${field.name}.mask`, oxm.mask, `is not possible: ${field.name} is matched in full`);
    }
    for (const need of field.needs) checkNeed(field, need, match);
    writeOxm(writer, oxm);
  }
  writer.hex(unknown);
  writer.patchU16(start + 2, writer.length - start);
  writer.align(start);
};

const checkNeed = (field: Field, { field: needed, oneOf, mask = -1n }: Prerequisite, match: Match): void => {
  const given = match[needed];
  const seen = given?.mask === undefined || (given.mask & mask) === mask;
  if (given !== undefined && seen && oneOf.includes(given.value & mask)) return;
  const values = oneOf.map((value) => `0x${value.toString(16)}`).join(' or ');
  throw invalidField(`match.${field.name}`, field.name, `can be matched only with ${needed} ${values}`);
};

/** A match in canonical form, and the octets of the fields that are not known. */
export interface ReadMatch {
  readonly match: Match;
  readonly unknown: string;
}

/** Reads what `writeMatch` writes. */
export const readMatch = (reader: ByteReader): ReadMatch => {
  const type = reader.u16();
  if (type !== OFPMT_OXM) throw malformed(`match of type ${type.toString()}`);
  const length = reader.u16();
  if (length < HEADER_BYTES) throw malformed(`match of length ${length.toString()}`);
  const oxms = reader.take(length - HEADER_BYTES);
  reader.skip(-length & 7);
  const match: Partial<Record<FieldName, FieldValue>> = {};
  let unknown = '';
  while (oxms.remaining > 0) {
    const oxm = readOxm(oxms);
    if ('bytes' in oxm) unknown += oxm.bytes;
    else if (oxm.mask !== 0n) match[oxm.field.name] = fieldValue(oxm);
  }
  return { match, unknown };
};

export const fieldValue = ({ value, mask }: CanonicalField): FieldValue =>
  mask === undefined ? { value } : { value, mask };

/** The next field and its value, canonical; its octets when it is not one of `FIELDS`. */
export const readOxm = (reader: ByteReader): CanonicalField | { readonly bytes: string } => {
  const { field, hasMask, length, header } = readOxmHeader(reader);
  if (field === undefined) return { bytes: header + reader.hex(length) };
  if (length !== field.bytes * (hasMask ? 2 : 1)) {
    throw malformed(`${length.toString()} octets for ${field.name}`);
  }
  const value = reader.uint(field.bytes);
  if (!hasMask) return { field, value, mask: undefined };
  const mask = reader.uint(field.bytes);
  return mask === field.full ? { field, value, mask: undefined } : { field, value: value & mask, mask };
};

/** What an OXM header says; `header` are its octets for a field that is not known. */
export interface OxmHeader {
  readonly field: Field | undefined;
  readonly hasMask: boolean;
  /** Octets that follow it. */
  readonly length: number;
  readonly header: string;
}

export const readOxmHeader = (reader: ByteReader): OxmHeader => {
  const bits = reader.u32();
  const oxmClass = bits >>> 16;
  const field = oxmClass === EXPERIMENTER_CLASS ? undefined : fieldByNumber(oxmClass, (bits >>> 9) & 0x7f);
  const header = field === undefined ? bits.toString(16).padStart(8, '0') : '';
  return { field, hasMask: (bits & 0x100) !== 0, length: bits & 0xff, header };
};
