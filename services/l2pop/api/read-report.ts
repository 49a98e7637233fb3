import { invalidField } from '#platform/errors/domain-error.ts';
import { parseDigest } from '#platform/net/forwarding-digest.ts';
import { parseUuid } from '#platform/net/names.ts';
import type { ReportedNetwork as ReportedMessage } from '#proto/weft/l2pop/v1/l2pop.ts';
import type { ReportedNetwork } from '../domain/advice.ts';
import { parseHeldRevision } from '../domain/revision.ts';

/** All go to Redis in one piece. */
const MAX_NETWORKS = 20_000;

/** Reads what a host says of its networks. Throws `invalid`, also for a network that is named twice. */
export const readReport = (messages: readonly ReportedMessage[]): readonly ReportedNetwork[] => {
  if (messages.length > MAX_NETWORKS) {
    throw invalidField('networks', `${messages.length.toString()} networks`, `is more than ${MAX_NETWORKS.toString()}`);
  }
  const networks = messages.map(readNetwork);
  const seen = new Set<string>();
  for (const [at, { networkId }] of networks.entries()) {
    if (seen.has(networkId)) throw invalidField(`networks[${at.toString()}].network_id`, networkId, 'is named twice');
    seen.add(networkId);
  }
  return networks;
};

const readNetwork = (message: ReportedMessage, at: number): ReportedNetwork => {
  const field = `networks[${at.toString()}]`;
  const { digest } = message;
  if (digest !== '' && parseDigest(digest) === undefined) {
    throw invalidField(`${field}.digest`, digest, 'is not a digest: 16 lower-case hexadecimal digits');
  }
  return {
    networkId: parseUuid(`${field}.network_id`, message.network_id),
    revision: parseHeldRevision(`${field}.revision`, message.revision),
    digest,
    digestRevision: parseHeldRevision(`${field}.digest_revision`, message.digest_revision),
    driftRepaired: message.drift_repaired,
  };
};
