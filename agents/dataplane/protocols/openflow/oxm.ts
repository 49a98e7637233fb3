import { type DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { type ByteReader, type ByteWriter, malformed } from './bytes.ts';
import { FIELDS, fieldByNumber } from './fields.ts';
import type { Field, FieldName, Prerequisite } from './fields.ts';
import { canonicalField, canonicalFields } from './flow.ts';
import type { CanonicalField, FieldValue, Match } from './flow.ts';

const OFPMT_OXM = 1;
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

/** Whether the field can have the value and the mask. */
export const fits = ({ field, value, mask }: CanonicalField): boolean =>
  isWithin(value, field) && (mask === undefined || isWithin(mask, field));

const isWithin = (value: bigint, { full }: Field): boolean => value >= 0n && value <= full;

/** What is wrong with a value that does not fit; `path` is where it stands. */
export const misfit = (path: string, { field, value, mask }: CanonicalField): DomainError => {
  const rule = `does not fit the ${field.bits.toString()} bits of ${field.name}`;
  return mask === undefined || !isWithin(value, field)
    ? invalidField(path, value, rule)
    : invalidField(`${path}.mask`, mask, rule);
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
    if (!fits(oxm)) throw misfit(`match.${field.name}`, oxm);
    if (oxm.mask !== undefined && !field.maskable) {
      throw invalidField(`match.${field.name}.mask`, oxm.mask, `is not possible: ${field.name} is matched in full`);
    }
    for (const need of field.needs) checkNeed(field, need, match);
    writeOxm(writer, oxm);
  }
  if (unknown !== '') writer.hex(unknown);
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

/** Reads what `writeMatch` writes, and pairs of registers, which is how Open vSwitch writes these in OpenFlow 1.5. */
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
    const header = readOxmHeader(oxms);
    const pair = REGISTER_PAIRS[header.bits >>> 9];
    if (pair === undefined) {
      const oxm = readOxmRest(header, oxms);
      if ('bytes' in oxm) unknown += oxm.bytes;
      else if (oxm.mask !== 0n) match[oxm.field.name] = fieldValue(oxm);
    } else {
      for (const oxm of readRegisters(pair, header, oxms)) {
        if (oxm.mask !== 0n) match[oxm.field.name] = fieldValue(oxm);
      }
    }
  }
  return { match, unknown };
};

/** What a canonical value is in the model. */
export const fieldValue = ({ value, mask }: CanonicalField): FieldValue =>
  mask === undefined ? { value } : { value, mask };

/** The next field and its value, canonical; its octets when it is not one of `FIELDS`. */
export const readOxm = (reader: ByteReader): CanonicalField | UnknownOxm => readOxmRest(readOxmHeader(reader), reader);

/** A field that is not known, as its octets. */
interface UnknownOxm {
  readonly bytes: string;
}

const readOxmRest = (header: OxmHeader, reader: ByteReader): CanonicalField | UnknownOxm => {
  const { field, bits } = header;
  if (field === undefined) return { bytes: bits.toString(16).padStart(8, '0') + reader.hex(lengthOf(header)) };
  checkLength(header, field.bytes);
  const value = reader.uint(field.bytes);
  return canonicalField(field, hasMask(header) ? { value, mask: reader.uint(field.bytes) } : { value });
};

/** The numbers of an OXM header, and the field that it names if that is known. */
export interface OxmHeader {
  readonly bits: number;
  readonly field: Field | undefined;
}

export const readOxmHeader = (reader: ByteReader): OxmHeader => {
  const bits = reader.u32();
  return { bits, field: fieldByNumber(bits >>> 16, (bits >>> 9) & 0x7f) };
};

const hasMask = ({ bits }: OxmHeader): boolean => (bits & 0x100) !== 0;
/** Octets that follow it. */
const lengthOf = ({ bits }: OxmHeader): number => bits & 0xff;

const checkLength = (header: OxmHeader, bytes: number): void => {
  if (lengthOf(header) === (hasMask(header) ? 2 * bytes : bytes)) return;
  throw malformed(`OXM of ${lengthOf(header).toString()} octets where ${bytes.toString()} fit`);
};

/** OXM_OF_PKT_REG0 to 7, each of two registers, by the upper bits of their headers. */
const REGISTER_PAIRS: Readonly<Record<number, readonly [Field, Field]>> = Object.fromEntries(
  Array.from({ length: 8 }, (_, pair) => [
    (0x8001 << 7) | pair,
    [FIELDS[`reg${(2 * pair).toString()}` as FieldName], FIELDS[`reg${(2 * pair + 1).toString()}` as FieldName]],
  ]),
);

const readRegisters = (
  [high, low]: readonly [Field, Field],
  header: OxmHeader,
  reader: ByteReader,
): readonly CanonicalField[] => {
  checkLength(header, 8);
  const value = reader.u64();
  const mask = hasMask(header) ? reader.u64() : (1n << 64n) - 1n;
  return [
    canonicalField(high, { value: value >> 32n, mask: mask >> 32n }),
    canonicalField(low, { value: BigInt.asUintN(32, value), mask: BigInt.asUintN(32, mask) }),
  ];
};
