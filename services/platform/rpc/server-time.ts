import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { withDeadline } from '#platform/async/deadline.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { fromServiceError } from './status.ts';

/** How a server's clock stands to this process'. */
export interface ServerTime {
  /** Milliseconds by which the server's is ahead; negative: behind. */
  readonly aheadMs: number;
  /** By how much that may be wrong either way: the way of the answer, and what the date leaves out. */
  readonly uncertaintyMs: number;
}

const HEALTH = '/grpc.health.v1.Health/Check';
/** HTTP's dates are cut to the second (RFC 9110 §5.6.7). */
const RESOLUTION_MS = 1_000;
const WITHIN_MS = 5_000;

/**
 * Compares clocks by the `date` in the header of a server's answer, which any server of weft's sends. Rejects with
 * `unavailable` or `deadline` when it cannot be reached, `internal` when it does not say.
 */
export const serverTime = async (address: string, signal: AbortSignal): Promise<ServerTime> =>
  await withDeadline(WITHIN_MS, signal, async (limited) => {
    const channel = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    });
    try {
      // The first call has the connection to make: only the second takes as long as an answer does.
      await askDate(channel, limited);
      const sent = Date.now();
      const date = await askDate(channel, limited);
      const received = Date.now();
      const at = date === undefined ? NaN : Date.parse(date);
      if (Number.isNaN(at)) {
        throw new DomainError('internal', 'NO_SERVER_DATE', `${address} answers without a date`);
      }
      const way = received - sent;
      return {
        aheadMs: at + RESOLUTION_MS / 2 - (sent + way / 2),
        uncertaintyMs: RESOLUTION_MS / 2 + way / 2,
      };
    } finally {
      channel.close();
    }
  });

const askDate = async (channel: Client, signal: AbortSignal): Promise<string | undefined> =>
  await new Promise((resolve, reject) => {
    let date: string | undefined;
    const call = channel.makeUnaryRequest(
      HEALTH,
      // An empty message asks for the server as a whole.
      () => Buffer.alloc(0),
      (bytes) => bytes,
      undefined,
      new Metadata(),
      (error) => {
        if (error === null) resolve(date);
        else reject(fromServiceError(error));
      },
    );
    call.on('metadata', (metadata: Metadata) => {
      date = metadata.get('date')[0]?.toString();
    });
    signal.addEventListener('abort', () => {
      call.cancel();
    });
  });
