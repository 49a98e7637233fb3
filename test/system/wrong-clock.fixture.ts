import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';

/**
 * Answers health checks as a control plane whose clock is off would: `node wrong-clock.fixture.ts ADDRESS MS`, with where to
 * listen and by how much it is ahead.
 */
const [address = '', ahead = '0'] = process.argv.slice(2);
const bytes = (value: Buffer): Buffer => value;
const server = new Server();
server.addService(
  {
    check: {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  },
  {
    check: (
      call: { sendMetadata: (metadata: Metadata) => void },
      answer: (error: null, value: Buffer) => void,
    ): void => {
      const metadata = new Metadata();
      metadata.set('date', new Date(Date.now() + Number(ahead)).toUTCString());
      call.sendMetadata(metadata);
      answer(null, Buffer.alloc(0));
    },
  },
);
server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
