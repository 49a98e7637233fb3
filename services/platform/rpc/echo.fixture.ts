/** A definition as generated code has it, with JSON for codecs; `decode` throws on bytes that are no JSON. */
const codecs = <Request, Response>() => ({
  requestSerialize: (value: Request): Buffer => encode(value),
  requestDeserialize: (bytes: Buffer): Request => JSON.parse(bytes.toString('utf8')) as Request,
  responseSerialize: (value: Response): Buffer => encode(value),
  responseDeserialize: (bytes: Buffer): Response => JSON.parse(bytes.toString('utf8')) as Response,
});

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

export interface Text {
  readonly text: string;
}

export interface Numbered {
  readonly number: number;
  readonly padding?: string;
}

/** For tests of the RPC floor. */
export const EchoDefinition = {
  say: {
    path: '/weft.echo.v1.EchoService/Say' as const,
    requestStream: false as const,
    responseStream: false as const,
    ...codecs<Text, Text>(),
  },
  count: {
    path: '/weft.echo.v1.EchoService/Count' as const,
    requestStream: false as const,
    responseStream: true as const,
    ...codecs<{ readonly to: number }, Numbered>(),
  },
} as const;
