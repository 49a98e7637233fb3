import type { SubjectBus } from '#platform/nats/subject-bus.ts';
import { invalidField } from '#platform/errors/domain-error.ts';
import { parseHostId, parseUuid } from '#platform/net/names.ts';
import { ForwardingAck } from '#proto/weft/event/v1/event.ts';
import type { AckBoard } from '../app/ack-board.ts';
import type { Acknowledgement } from '../app/ports.ts';
import type { AckHerald } from '../app/report-host-state.ts';
import { parseHeldRevision } from '../domain/revision.ts';

const PREFIX = 'weft.ack.';
/** Ids of hosts may hold dots, which makes them more than one token. */
const SUBJECTS = `${PREFIX}>`;

/**
 * Acknowledgements over core NATS. Every replica hears all of them, so that whoever waits on one hears at once; all store
 * them, which is harmless because the store only goes forward. What hosts tell one replica by RPC goes the same way to the
 * others.
 */
export class BusAcks implements AckHerald {
  readonly #bus: SubjectBus;
  readonly #board: AckBoard;

  constructor(bus: SubjectBus, board: AckBoard) {
    this.#bus = bus;
    this.#board = board;
  }

  /** Until disposed. */
  listen(): AsyncDisposable {
    return this.#bus.subscribe(SUBJECTS, {}, ({ subject, data }) => {
      for (const ack of readAcks(subject.slice(PREFIX.length), data)) this.#board.hear(ack);
    });
  }

  announce(acks: readonly Acknowledgement[]): void {
    for (const ack of acks) this.#board.tell(ack);
    for (const [host_id, own] of Map.groupBy(acks, (ack) => ack.hostId)) {
      const networks = own.map(({ networkId, revision }) => ({ network_id: networkId, revision: revision.toString() }));
      this.#bus.publish(PREFIX + host_id, ForwardingAck.encode({ host_id, networks }).finish(), {});
    }
  }
}

/** Throws `invalid`; a host speaks for itself only. */
const readAcks = (subjectHost: string, data: Uint8Array): readonly Acknowledgement[] => {
  const { host_id, networks } = ForwardingAck.decode(data);
  if (host_id !== subjectHost) throw invalidField('host_id', host_id, `came under the subject of ${subjectHost}`);
  const hostId = parseHostId('host_id', host_id);
  return networks.map(({ network_id, revision }, at) => ({
    networkId: parseUuid(`networks[${at.toString()}].network_id`, network_id),
    hostId,
    revision: parseHeldRevision(`networks[${at.toString()}].revision`, revision),
  }));
};
