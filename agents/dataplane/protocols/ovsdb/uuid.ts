import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from '#platform/net/brand.ts';

/** The UUID of a row, lower case. */
export type Uuid = Brand<string, 'OvsdbUuid'>;

/** Stands for the UUID of a row that the same transaction inserts under that name (RFC 7047 §5.1, `<named-uuid>`). */
export interface NamedUuid {
  readonly namedUuid: string;
}

/** What refers to a row in a transaction. */
export type Reference = Uuid | NamedUuid;

/** The reference to no row, and the transaction id of a server that numbers none. */
export const ZERO_UUID = '00000000-0000-0000-0000-000000000000' as Uuid;

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
/** RFC 7047 §3.1, `<id>`. */
const ID = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether it is the text of a UUID as ovsdb-server writes it. */
export const isUuid = (value: unknown): value is Uuid => typeof value === 'string' && UUID.test(value);

/** Whether a row may be called that within a transaction. */
export const isRowName = (value: unknown): value is string => typeof value === 'string' && ID.test(value);

/** Refers to the row that this transaction inserts under `name`; throws `invalid` for what cannot be such a name. */
export const namedUuid = (name: string): NamedUuid => {
  if (!isRowName(name)) throw invalidField('uuid-name', name, 'must be letters, digits and _, no digit first');
  return { namedUuid: name };
};
