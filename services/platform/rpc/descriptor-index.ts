import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

interface IndexedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
}

/**
 * The files of a FileDescriptorSet by name and by the symbols they declare. Keeps the bytes as they are: what clients get
 * is exact, and no descriptor is ever decoded beyond its names.
 */
export class DescriptorIndex {
  readonly #files = new Map<string, IndexedFile>();
  readonly #bySymbol = new Map<string, IndexedFile>();

  /** Throws on bytes that are no FileDescriptorSet. */
  constructor(...sets: readonly Uint8Array[]) {
    for (const set of sets) for (const { number, value } of fields(set)) if (number === SET_FILE) this.#add(value);
  }

  /** The file of that name and all that it imports, importers first; undefined when it is not known. */
  withImports(name: string): readonly Uint8Array[] | undefined {
    const first = this.#files.get(name);
    if (first === undefined) return undefined;
    // A set takes what is added while it is walked.
    const wanted = new Set([first]);
    for (const file of wanted)
      for (const dependency of file.dependencies) {
        const known = this.#files.get(dependency);
        if (known !== undefined) wanted.add(known);
      }
    return [...wanted].map(({ bytes }) => bytes);
  }

  /** The file that declares a message, enum or service, or a method, field or value in one. */
  fileOf(symbol: string): string | undefined {
    return (this.#bySymbol.get(symbol) ?? this.#bySymbol.get(symbol.replace(/\.[^.]+$/, '')))?.name;
  }

  #add(bytes: Uint8Array): void {
    const members = fields(bytes);
    const name = first(members, NAME);
    // The first of a name stays: what a server says of its own protos goes before what is built in.
    if (this.#files.has(name)) return;
    const dependencies = members.filter(({ number }) => number === FILE_DEPENDENCY).map(({ value }) => text(value));
    const file = { name, bytes, dependencies };
    this.#files.set(name, file);
    const scope = first(members, FILE_PACKAGE);
    for (const symbol of declared(members, scope, FILE_NESTED)) this.#bySymbol.set(symbol, file);
  }
}

// Field numbers of google/protobuf/descriptor.proto.
const SET_FILE = 1;
const NAME = 1;
const FILE_PACKAGE = 2;
const FILE_DEPENDENCY = 3;
/** Of FileDescriptorProto: message_type, enum_type, service. */
const FILE_NESTED: ReadonlyMap<number, 'message' | 'leaf'> = new Map([
  [4, 'message'],
  [5, 'leaf'],
  [6, 'leaf'],
]);
/** Of DescriptorProto: nested_type, enum_type. */
const MESSAGE_NESTED: ReadonlyMap<number, 'message' | 'leaf'> = new Map([
  [3, 'message'],
  [4, 'leaf'],
]);

interface Field {
  readonly number: number;
  readonly value: Uint8Array;
}

/** The length-delimited fields of a message; names, descriptors and imports are all of that kind. */
const fields = (bytes: Uint8Array): readonly Field[] => {
  const reader = new BinaryReader(bytes);
  const found: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited) found.push({ number, value: reader.bytes() });
    else reader.skip(type, number);
  }
  return found;
};

const declared = (
  members: readonly Field[],
  scope: string,
  nested: ReadonlyMap<number, 'message' | 'leaf'>,
): readonly string[] =>
  members.flatMap(({ number, value }) => {
    const kind = nested.get(number);
    if (kind === undefined) return [];
    const inner = fields(value);
    const name = scope === '' ? first(inner, NAME) : `${scope}.${first(inner, NAME)}`;
    return kind === 'leaf' ? [name] : [name, ...declared(inner, name, MESSAGE_NESTED)];
  });

const first = (members: readonly Field[], wanted: number): string => {
  const found = members.find(({ number }) => number === wanted);
  return found === undefined ? '' : text(found.value);
};

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
