import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';

/** A VXLAN network identifier (RFC 7348 §4), 1 to 16777215. */
export type Vni = Brand<number, 'Vni'>;

/** The highest VNI: 24 bits. */
export const MAX_VNI = 16_777_215;

/** Throws `invalid` for anything but an integer from 1 to 16777215; 0 is refused because a missing number reads as 0. */
export const parseVni = (field: string, value: number): Vni => {
  if (!Number.isInteger(value) || value < 1 || value > MAX_VNI) {
    throw invalidField(field, value, `is not a VNI from 1 to ${MAX_VNI.toString()}`);
  }
  return value as Vni;
};
