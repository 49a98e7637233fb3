import { ServerCredentials } from '@grpc/grpc-js';
import { datedServer } from '#platform/testing/dated-server.ts';

/**
 * Answers health checks as a control plane whose clock is off would: `node wrong-clock.fixture.ts ADDRESS MS`, with where to
 * listen and by how much it is ahead.
 */
const [address = '', ahead = '0'] = process.argv.slice(2);
const server = datedServer(() => new Date(Date.now() + Number(ahead)).toUTCString());
server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
