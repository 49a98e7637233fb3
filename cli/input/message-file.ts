import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { createFileRegistry, fromBinary, ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { parseAllDocuments } from 'yaml';
import { didYouMean } from '#platform/config/nearest.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { readDescriptors } from '#platform/rpc/descriptors.ts';

/** A message as generated code takes it: fields by the names of the proto. */
export type MessageFields = Readonly<Record<string, unknown>>;

/** What a file may hold. */
export interface MessageShape {
  /** E.g. `weft.agent.v1.Overlay`. */
  readonly message: string;
  /** Fields of it that only answers have: what stands there is not read. */
  readonly outputOnly: readonly string[];
}

/**
 * Reads one message from a file, or from standard input for `-`: YAML, of which JSON is a part, with the fields of the
 * proto. Throws `invalid` naming the place of what is unknown or of another type; the values are for the server to judge.
 */
export const readMessageFile = async (path: string, shape: MessageShape): Promise<MessageFields> => {
  const name = path === '-' ? 'standard input' : path;
  const content = parseYaml(name, await contentOf(path, name));
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readDescriptors()));
  const descriptor = registry.getMessage(shape.message);
  if (descriptor === undefined) throw new TypeError(`there is no message ${shape.message}`);
  return messageOf(content, descriptor, name, '', new Set(shape.outputOnly));
};

const contentOf = async (path: string, name: string): Promise<string> => {
  try {
    return path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (cause) {
    throw new DomainError('invalid', 'USAGE', `${name} cannot be read: ${toError(cause).message}`, { cause });
  }
};

const parseYaml = (name: string, content: string): unknown => {
  const [document, another] = parseAllDocuments(content, { logLevel: 'error' });
  if (document === undefined || !('errors' in document)) throw wrong(name, '', 'is empty');
  if (another !== undefined) throw wrong(name, '', 'has more than one document; give one per file');
  const [error] = document.errors;
  // What yaml says goes on with an excerpt of the file; its first line has the place.
  if (error !== undefined) throw wrong(name, '', `is not YAML: ${error.message.split('\n')[0] ?? ''}`);
  return document.toJS();
};

const messageOf = (
  value: unknown,
  descriptor: DescMessage,
  name: string,
  path: string,
  ignored: ReadonlySet<string>,
): MessageFields => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(name, path, 'is not a mapping of fields to values');
  }
  const fields = new Map(descriptor.fields.map((field) => [field.name, field]));
  const read: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    if (ignored.has(key)) continue;
    const at = path === '' ? key : `${path}.${key}`;
    const field = fields.get(key);
    if (field === undefined) throw wrong(name, at, `is an unknown field${didYouMean(key, fields.keys())}`);
    // `links:` with nothing behind it is as good as left out.
    if (given !== null) read[key] = fieldOf(given, field, name, at);
  }
  return read;
};

const fieldOf = (value: unknown, field: DescField, name: string, path: string): unknown => {
  if (field.fieldKind === 'list') {
    if (!Array.isArray(value)) throw wrong(name, path, 'is not a list');
    const { listKind, message, scalar } = field;
    return value.map((item: unknown, at) =>
      itemOf(item, { kind: listKind, message, scalar }, name, `${path}[${at.toString()}]`),
    );
  }
  const { fieldKind, message, scalar } = field;
  return itemOf(value, { kind: fieldKind, message, scalar }, name, path);
};

interface ItemType {
  readonly kind: string;
  readonly message: DescMessage | undefined;
  readonly scalar: ScalarType | undefined;
}

const itemOf = (value: unknown, { message, scalar }: ItemType, name: string, path: string): unknown => {
  if (message !== undefined) return messageOf(value, message, name, path, new Set());
  if (scalar === ScalarType.STRING) {
    if (typeof value === 'string') return value;
    throw wrong(name, path, `is ${JSON.stringify(value)}, not a text`);
  }
  if (scalar === ScalarType.BOOL) {
    if (typeof value === 'boolean') return value;
    throw wrong(name, path, `is ${JSON.stringify(value)}, not true or false`);
  }
  if (scalar === ScalarType.UINT32) {
    if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff_ffff) return value;
    throw wrong(name, path, `is ${JSON.stringify(value)}, not a whole number`);
  }
  throw wrong(name, path, 'cannot be given in a file');
};

const wrong = (name: string, path: string, what: string): DomainError => {
  const description = `${path === '' ? '' : `${path} `}${what}`;
  return new DomainError('invalid', 'BAD_FILE', `${name}: ${description}`, {
    violations: [{ field: path, description }],
  });
};
