import { Metadata, Server } from '@grpc/grpc-js';

const bytes = (value: Buffer): Buffer => value;

/** A server that answers health checks and nothing else, with that date in its header; who made it binds and ends it. */
export const datedServer = (date: () => string): Server => {
  const server = new Server();
  const check = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  server.addService(
    { check },
    {
      check: (
        call: { sendMetadata: (metadata: Metadata) => void },
        answer: (error: null, value: Buffer) => void,
      ): void => {
        const metadata = new Metadata();
        metadata.set('date', date());
        call.sendMetadata(metadata);
        answer(null, Buffer.alloc(0));
      },
    },
  );
  return server;
};
