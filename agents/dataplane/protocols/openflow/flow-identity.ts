import { FIELDS } from './fields.ts';
import { OFPP, SAME_TABLE, canonicalField, canonicalFields } from './flow.ts';
import type { Action, CanonicalField, FieldValue, Flow, FlowId, Match, MovedBits } from './flow.ts';
import type { FieldName } from './fields.ts';

const valueKey = ({ field, value, mask }: CanonicalField): string =>
  mask === undefined
    ? `${field.name}=${value.toString(16)}`
    : `${field.name}=${value.toString(16)}/${mask.toString(16)}`;

/** Equal for flows of the same table, priority and match, however these were written down; the switch keeps one of them. */
export const flowKey = ({ table, priority, match, unknownMatch }: FlowId): string => {
  let key = `${table.toString()},${priority.toString()}`;
  for (const field of canonicalFields(match)) key += `,${valueKey(field)}`;
  return unknownMatch === undefined ? key : `${key},?${unknownMatch}`;
};

/** Whether two flows are the same one and do the same, under the same cookie. */
export const sameFlow = (a: Flow, b: Flow): boolean =>
  a.actions.length === b.actions.length &&
  a.actions.every((action, at) => sameAction(action, b.actions[at])) &&
  sameButActions(a, b);

/** As `sameFlow`, whatever their actions. */
export const sameButActions = (a: Omit<Flow, 'actions'>, b: Omit<Flow, 'actions'>): boolean =>
  a.table === b.table &&
  a.priority === b.priority &&
  a.cookie === b.cookie &&
  a.gotoTable === b.gotoTable &&
  (a.idleTimeout ?? 0) === (b.idleTimeout ?? 0) &&
  (a.hardTimeout ?? 0) === (b.hardTimeout ?? 0) &&
  a.unknownInstructions === b.unknownInstructions &&
  a.unknownMatch === b.unknownMatch &&
  sameMatch(a.match, b.match) &&
  sameMetadata(a.writeMetadata, b.writeMetadata);

/** What any packet meets, as it does a field that is not there. */
const ANY: FieldValue = { value: 0n, mask: 0n };

const sameMatch = (a: Match, b: Match): boolean =>
  fieldNames(a).every((name) => sameValue(name, a[name] ?? ANY, b[name] ?? ANY)) &&
  fieldNames(b).every((name) => a[name] !== undefined || sameValue(name, ANY, b[name] ?? ANY));

const fieldNames = (match: Match): readonly FieldName[] => Object.keys(match) as FieldName[];

const sameValue = (name: FieldName, a: FieldValue, b: FieldValue): boolean => {
  if (a.value === b.value && a.mask === b.mask) return true;
  const [one, other] = [canonicalField(FIELDS[name], a), canonicalField(FIELDS[name], b)];
  return one.value === other.value && one.mask === other.mask;
};

const sameMetadata = (a: FieldValue | undefined, b: FieldValue | undefined): boolean =>
  a === undefined || b === undefined ? a === b : sameValue('metadata', a, b);

/** Whether two actions are the same, however they were written down. */
export const sameAction = (a: Action, b: Action | undefined): boolean => {
  switch (a.kind) {
    case 'output':
      return b?.kind === 'output' && a.port === b.port;
    case 'set_field':
      return b?.kind === 'set_field' && a.field === b.field && sameValue(a.field, a, b);
    case 'move':
      return b?.kind === 'move' && a.from === b.from && a.to === b.to && sameBits(movedBits(a), movedBits(b));
    case 'resubmit':
      return b?.kind === 'resubmit' && resubmitKey(a) === resubmitKey(b);
    case 'push_vlan':
      return b?.kind === 'push_vlan' && a.ethertype === b.ethertype;
    case 'pop_vlan':
      return b?.kind === 'pop_vlan';
    case 'controller':
      return b?.kind === 'controller' && a.maxLength === b.maxLength && a.controllerId === b.controllerId;
    case 'unknown':
      return b?.kind === 'unknown' && a.bytes === b.bytes;
  }
};

const resubmitKey = ({ port = OFPP.IN_PORT, table = SAME_TABLE }: Extract<Action, { kind: 'resubmit' }>): string =>
  `${port.toString()},${table.toString()}`;

/** The bits that a move moves: all of the source unless it says which. */
export const movedBits = (move: { readonly from: FieldName; readonly bits?: MovedBits }): MovedBits =>
  move.bits ?? { from: 0, to: 0, count: FIELDS[move.from].bits };

const sameBits = (a: MovedBits, b: MovedBits): boolean => a.from === b.from && a.to === b.to && a.count === b.count;
