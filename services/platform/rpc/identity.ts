/**
 * Whom a client certificate names: the first URI of its subject alternative names, else the first DNS name. `text` is as
 * Node prints it, with values that hold separators in JSON quotes; undefined for anything not understood to its end, so
 * that no name can be smuggled in by another.
 */
export const identityOf = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined;
  const names: { readonly type: string; readonly value: string }[] = [];
  const token = /(?<type>[A-Za-z ]+):(?:(?<quoted>"(?:[^"\\]|\\.)*")|(?<plain>[^",]*))(?:, |$)/y;
  while (token.lastIndex < text.length) {
    const { type = '', quoted, plain = '' } = token.exec(text)?.groups ?? {};
    if (type === '') return undefined;
    const value = quoted === undefined ? plain : unquoted(quoted);
    if (value === undefined) return undefined;
    names.push({ type, value });
  }
  const first = (type: string): string | undefined =>
    names.find((name) => name.type === type && name.value !== '')?.value;
  return first('URI') ?? first('DNS');
};

const unquoted = (text: string): string | undefined => {
  try {
    return String(JSON.parse(text));
  } catch {
    return undefined;
  }
};
