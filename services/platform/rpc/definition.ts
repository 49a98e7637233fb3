/**
 * A method as generated code declares it. Methods, not function properties: a definition for any messages is one of these.
 */
export interface MethodShape {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: unknown): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(value: unknown): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

/** A service definition constant of generated code, e.g. `IpamServiceService`. */
export type ServiceShape = Readonly<Record<string, MethodShape>>;

export type RequestOf<Method> = Method extends { requestDeserialize: (bytes: Buffer) => infer Request }
  ? Request
  : never;
export type ResponseOf<Method> = Method extends { responseDeserialize: (bytes: Buffer) => infer Response }
  ? Response
  : never;

/** The fully qualified name, e.g. `weft.ipam.v1.IpamService`; empty for a definition without methods. */
export const serviceNameOf = (definition: ServiceShape): string => {
  const [method] = Object.values(definition);
  return method?.path.split('/')[1] ?? '';
};
