import { createHash } from 'node:crypto';

// Of weft's own, made once: names below it are `owner/role/device`.
const NAMESPACE = Buffer.from('6e0f4d0b8a5c4c1e9a57f2d3c1b4a690', 'hex');

/** A name-based UUID (RFC 9562 §5.5): the same name has the same one on every run and every host. */
export const uuidOf = (name: string): string => {
  const hash = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};
