import { headers as emptyHeaders, type MsgHdrs } from '@nats-io/transport-node';

/** Headers as NATS sends them; `undefined` for none, which costs nothing on the wire. */
export const toNatsHeaders = (from: Readonly<Record<string, string>>): MsgHdrs | undefined => {
  const entries = Object.entries(from);
  if (entries.length === 0) return undefined;
  const to = emptyHeaders();
  for (const [name, value] of entries) to.set(name, value);
  return to;
};

/** Names in lower case, as W3C trace context is looked up; of a repeated header the last value. */
export const fromNatsHeaders = (from: MsgHdrs | undefined): Readonly<Record<string, string>> => {
  const to: Record<string, string> = {};
  if (from === undefined) return to;
  for (const name of from.keys()) to[name.toLowerCase()] = from.last(name);
  return to;
};
