import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from '#platform/net/brand.ts';

/** Who holds something: a port or network id as a rule; 1 to 255 characters of `A-Za-z0-9._:-`. */
export type OwnerId = Brand<string, 'OwnerId'>;

const OWNER = /^[A-Za-z0-9._:-]{1,255}$/;

/** Throws `invalid` for what is no owner's id. Case matters. */
export const parseOwner = (field: string, text: string): OwnerId => {
  if (!OWNER.test(text)) {
    throw invalidField(field, text, 'is not an owner id: 1 to 255 letters, digits, ".", "_", ":" or "-"');
  }
  return text as OwnerId;
};

/** Whether this owner's addresses are no reason to keep a subnet: DHCP serves it from them, so they go with it. */
export const givesWay = (owner: string): boolean => owner.startsWith('dhcp:');
