import {
  createFileRegistry,
  fromBinary,
  ScalarType,
  type DescField,
  type DescMessage,
  type FileRegistry,
} from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { MethodShape } from '#platform/rpc/definition.ts';

/** The protos by reflection: for messages that generated encoders would not let out. */
export class Protos {
  readonly #registry: FileRegistry;

  constructor(descriptors: Uint8Array) {
    this.#registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  }

  message(name: string): DescMessage {
    const found = this.#registry.getMessage(name);
    if (found === undefined) throw new Error(`no message ${name}`);
    return found;
  }

  requestOf({ path }: Pick<MethodShape, 'path'>): DescMessage {
    const [, service = '', method = ''] = path.split('/');
    const found = this.#registry.getService(service)?.methods.find(({ name }) => name === method);
    if (found === undefined) throw new Error(`no method ${path}`);
    return found.input;
  }

  /** Encodes what is given and nothing else: proto names, enums by name. */
  encode(message: DescMessage, value: Readonly<Record<string, unknown>>): Uint8Array {
    const writer = new BinaryWriter();
    for (const [name, given] of Object.entries(value)) {
      if (given === undefined) continue;
      const field = message.fields.find((each) => each.name === name);
      if (field === undefined) throw new Error(`${message.typeName} has no field ${name}`);
      this.#field(writer, field, given);
    }
    return writer.finish();
  }

  #field(writer: BinaryWriter, field: DescField, given: unknown): void {
    if (field.fieldKind === 'map') {
      for (const [key, value] of Object.entries(given as Record<string, string>)) {
        const entry = new BinaryWriter()
          .tag(1, WireType.LengthDelimited)
          .string(key)
          .tag(2, WireType.LengthDelimited)
          .string(value)
          .finish();
        writer.tag(field.number, WireType.LengthDelimited).bytes(entry);
      }
    } else if (field.fieldKind === 'list')
      for (const each of given as readonly unknown[]) this.#one(writer, field, each);
    else this.#one(writer, field, given);
  }

  #one(writer: BinaryWriter, field: DescField, given: unknown): void {
    const { number } = field;
    if (field.message !== undefined) {
      writer.tag(number, WireType.LengthDelimited).bytes(this.encode(field.message, given as Record<string, unknown>));
    } else if (field.enum !== undefined) {
      writer
        .tag(number, WireType.Varint)
        .int32(field.enum.values.find(({ name }) => name === given)?.number ?? Number(given));
    } else if (field.scalar === ScalarType.STRING) writer.tag(number, WireType.LengthDelimited).string(String(given));
    else
      writer
        .tag(number, WireType.Varint)
        .int64(typeof given === 'boolean' ? Number(given) : BigInt.asIntN(64, BigInt(given as number | string)));
  }
}
