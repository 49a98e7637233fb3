import type { ByteReader } from './bytes.ts';

const HELLO_FAILED = 0;
const EXPERIMENTER = 0xffff;
/** Open vSwitch's own. */
const NX_EXPERIMENTER = 0x00002320;

/** Names by code of the types that what is sent here can bring about (OpenFlow 1.5.1 §7.5.4). */
const NAMES: Readonly<Record<number, readonly string[]>> = {
  0: ['OFPHFC_INCOMPATIBLE', 'OFPHFC_EPERM'],
  1: [
    ...['OFPBRC_BAD_VERSION', 'OFPBRC_BAD_TYPE', 'OFPBRC_BAD_MULTIPART', 'OFPBRC_BAD_EXPERIMENTER'],
    ...['OFPBRC_BAD_EXP_TYPE', 'OFPBRC_EPERM', 'OFPBRC_BAD_LEN', 'OFPBRC_BUFFER_EMPTY', 'OFPBRC_BUFFER_UNKNOWN'],
    ...['OFPBRC_BAD_TABLE_ID', 'OFPBRC_IS_SLAVE', 'OFPBRC_BAD_PORT', 'OFPBRC_BAD_PACKET'],
    ...['OFPBRC_MULTIPART_BUFFER_OVERFLOW', 'OFPBRC_MULTIPART_REQUEST_TIMEOUT', 'OFPBRC_MULTIPART_REPLY_TIMEOUT'],
  ],
  2: [
    ...['OFPBAC_BAD_TYPE', 'OFPBAC_BAD_LEN', 'OFPBAC_BAD_EXPERIMENTER', 'OFPBAC_BAD_EXP_TYPE', 'OFPBAC_BAD_OUT_PORT'],
    ...['OFPBAC_BAD_ARGUMENT', 'OFPBAC_EPERM', 'OFPBAC_TOO_MANY', 'OFPBAC_BAD_QUEUE', 'OFPBAC_BAD_OUT_GROUP'],
    ...['OFPBAC_MATCH_INCONSISTENT', 'OFPBAC_UNSUPPORTED_ORDER', 'OFPBAC_BAD_TAG', 'OFPBAC_BAD_SET_TYPE'],
    ...['OFPBAC_BAD_SET_LEN', 'OFPBAC_BAD_SET_ARGUMENT', 'OFPBAC_BAD_SET_MASK', 'OFPBAC_BAD_METER'],
  ],
  3: [
    ...['OFPBIC_UNKNOWN_INST', 'OFPBIC_UNSUP_INST', 'OFPBIC_BAD_TABLE_ID', 'OFPBIC_UNSUP_METADATA'],
    ...['OFPBIC_UNSUP_METADATA_MASK', 'OFPBIC_BAD_EXPERIMENTER', 'OFPBIC_BAD_EXP_TYPE', 'OFPBIC_BAD_LEN'],
    ...['OFPBIC_EPERM', 'OFPBIC_DUP_INST'],
  ],
  4: [
    ...['OFPBMC_BAD_TYPE', 'OFPBMC_BAD_LEN', 'OFPBMC_BAD_TAG', 'OFPBMC_BAD_DL_ADDR_MASK', 'OFPBMC_BAD_NW_ADDR_MASK'],
    ...['OFPBMC_BAD_WILDCARDS', 'OFPBMC_BAD_FIELD', 'OFPBMC_BAD_VALUE', 'OFPBMC_BAD_MASK', 'OFPBMC_BAD_PREREQ'],
    ...['OFPBMC_DUP_FIELD', 'OFPBMC_EPERM'],
  ],
  5: [
    ...['OFPFMFC_UNKNOWN', 'OFPFMFC_TABLE_FULL', 'OFPFMFC_BAD_TABLE_ID', 'OFPFMFC_OVERLAP', 'OFPFMFC_EPERM'],
    ...['OFPFMFC_BAD_TIMEOUT', 'OFPFMFC_BAD_COMMAND', 'OFPFMFC_BAD_FLAGS', 'OFPFMFC_CANT_SYNC'],
    ...['OFPFMFC_BAD_PRIORITY', 'OFPFMFC_IS_SYNC'],
  ],
  17: [
    ...['OFPBFC_UNKNOWN', 'OFPBFC_EPERM', 'OFPBFC_BAD_ID', 'OFPBFC_BUNDLE_EXIST', 'OFPBFC_BUNDLE_CLOSED'],
    ...['OFPBFC_OUT_OF_BUNDLES', 'OFPBFC_BAD_TYPE', 'OFPBFC_BAD_FLAGS', 'OFPBFC_MSG_BAD_LEN', 'OFPBFC_MSG_BAD_XID'],
    ...['OFPBFC_MSG_UNSUP', 'OFPBFC_MSG_CONFLICT', 'OFPBFC_MSG_TOO_MANY', 'OFPBFC_MSG_FAILED', 'OFPBFC_TIMEOUT'],
    ...['OFPBFC_BUNDLE_IN_PROGRESS'],
  ],
};

/** Open vSwitch's own that those can bring about, by number (include/openvswitch/ofp-errors.h). */
const NX_NAMES: Readonly<Record<number, string>> = {
  2: 'NXBRC_NXM_INVALID',
  3: 'NXBRC_NXM_BAD_TYPE',
  4: 'NXBRC_MUST_BE_ZERO',
  10: 'NXBRC_UNENCODABLE_ERROR',
  11: 'NXBAC_MUST_BE_ZERO',
  12: 'NXFMFC_HARDWARE',
  13: 'NXFMFC_BAD_TABLE_ID',
  22: 'OFPBFC_BAD_VERSION',
};

/** The name of an OFPT_ERROR, such as `OFPBMC_BAD_FIELD`, or its numbers; and the text of those that bring one. */
export const readError = (body: ByteReader): string => {
  const type = body.u16();
  const code = body.u16();
  if (type === EXPERIMENTER) return experimenterError(code, body);
  const name = NAMES[type]?.[code] ?? `OpenFlow error of type ${type.toString()}, code ${code.toString()}`;
  // The data of any other is the message that it is about.
  return type === HELLO_FAILED && body.remaining > 0 ? `${name}: ${printable(body)}` : name;
};

const experimenterError = (code: number, body: ByteReader): string => {
  const experimenter = body.u32();
  const name = experimenter === NX_EXPERIMENTER ? NX_NAMES[code] : undefined;
  return name ?? `OpenFlow error ${code.toString()} of experimenter 0x${experimenter.toString(16)}`;
};

const printable = (body: ByteReader): string =>
  Buffer.from(body.hex(body.remaining), 'hex')
    .toString('latin1')
    .slice(0, 200)
    .replaceAll(/[^\x21-\x7e]+/g, ' ')
    .trim();
