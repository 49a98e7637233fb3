import { FIELDS } from './fields.ts';
import type { Field, FieldName } from './fields.ts';

/** Value of a field in the bits of `mask`; in all of them without one. */
export interface FieldValue {
  readonly value: bigint;
  readonly mask?: bigint;
}

/** What a packet must have for a flow to take it. */
export type Match = Readonly<Partial<Record<FieldName, FieldValue>>>;

/** Ports that are none (OFPP_*). */
export const OFPP = {
  IN_PORT: 0xfffffff8,
  NORMAL: 0xfffffffa,
  FLOOD: 0xfffffffb,
  ALL: 0xfffffffc,
  CONTROLLER: 0xfffffffd,
  LOCAL: 0xfffffffe,
  ANY: 0xffffffff,
} as const;

/** The table of a resubmission that stays in its own. */
export const SAME_TABLE = 0xff;

/** So many bits, from bit `from` of one field to bit `to` of another; 0 is the least significant. */
export interface MovedBits {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export type Action =
  | { readonly kind: 'output'; readonly port: number }
  | ({ readonly kind: 'set_field'; readonly field: FieldName } & FieldValue)
  /** Without `bits`, all of a field to another of the same width. */
  | { readonly kind: 'move'; readonly from: FieldName; readonly to: FieldName; readonly bits?: MovedBits }
  /** Without a table the one the flow is in, without a port the one the packet came in by. */
  | { readonly kind: 'resubmit'; readonly port?: number; readonly table?: number }
  | { readonly kind: 'push_vlan'; readonly ethertype: number }
  | { readonly kind: 'pop_vlan' }
  /** Up to so many octets of the packet to the controller of that number; it goes on its way. */
  | { readonly kind: 'controller'; readonly maxLength: number; readonly controllerId: number }
  /** Any other, as its octets: somebody else's, read back. */
  | { readonly kind: 'unknown'; readonly bytes: string };

/** What tells a flow from all others of its bridge. */
export interface FlowId {
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  /** Fields that `FIELDS` does not have, as their octets: somebody else's, read back. */
  readonly unknownMatch?: string;
}

export interface Flow extends FlowId {
  readonly cookie: bigint;
  /** Done in this order; none and no `gotoTable` is to drop. */
  readonly actions: readonly Action[];
  readonly writeMetadata?: FieldValue;
  /** Goes on there after the actions; larger than `table`. */
  readonly gotoTable?: number;
  /** Seconds without a packet after which it goes; absent for never. */
  readonly idleTimeout?: number;
  /** Seconds after which it goes; absent for never. */
  readonly hardTimeout?: number;
  /** Instructions other than these, as their octets: somebody else's, read back. */
  readonly unknownInstructions?: string;
}

/** A change to the flows of a bridge. */
export type FlowMod =
  /** Puts it there, in the place of one with the same id, whose counters it keeps. */
  | { readonly command: 'add'; readonly flow: Flow }
  /** Gives the flow of that id other instructions; its cookie stays. Nothing when there is none. */
  | { readonly command: 'modify_strict'; readonly flow: Flow }
  /** Removes the one flow of that id, if its cookie is that in the bits of the mask. Nothing when there is none. */
  | ({ readonly command: 'delete_strict'; readonly flow: FlowId } & CookieFilter)
  /** Removes all flows that match this or more, of one table or all. */
  | ({ readonly command: 'delete'; readonly table?: number; readonly match?: Match } & CookieFilter);

/** Flows whose cookie is that one in the bits of the mask: in all without one. */
export interface CookieFilter {
  readonly cookie?: bigint;
  readonly cookieMask?: bigint;
}

/** A value of a field in the form the switch gives it back: no bits outside the mask, no mask that covers all. */
export interface CanonicalField {
  readonly field: Field;
  readonly value: bigint;
  readonly mask: bigint | undefined;
}

/** Of a mask of nothing, which any value meets, value and mask are 0. */
export const canonicalField = (field: Field, { value, mask }: FieldValue): CanonicalField =>
  mask === undefined || mask === field.full ? { field, value, mask: undefined } : { field, value: value & mask, mask };

/** The fields of a match in canonical order and form, without those that any packet meets. */
export const canonicalFields = (match: Match): readonly CanonicalField[] => {
  const fields: CanonicalField[] = [];
  let last = -1;
  let isInOrder = true;
  for (const name of Object.keys(match) as readonly FieldName[]) {
    const value = match[name];
    if (value === undefined) continue;
    const canonical = canonicalField(FIELDS[name], value);
    if (canonical.mask === 0n) continue;
    isInOrder &&= canonical.field.order > last;
    last = canonical.field.order;
    fields.push(canonical);
  }
  return isInOrder ? fields : fields.sort((a, b) => a.field.order - b.field.order);
};
