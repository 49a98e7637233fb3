import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { EventMessage } from '#platform/nats/durable-consumer.ts';
import { carrier } from '#platform/telemetry/spans.ts';
import { ChangeKind, TopologyEvent as EventWire } from '#proto/weft/event/v1/event.ts';
import type { TopologyChange, TopologyEvent } from '../app/topology-events.ts';
import { parseVtep } from '../domain/vtep.ts';
import { readHost, readNetwork, readPort } from './topology-messages.ts';

/** Where topology's events are kept: JetStream, 24 h. */
export const TOPOLOGY_STREAM = { name: 'WEFT_TOPOLOGY', subjects: ['weft.topology.>'] } as const;
/** Subjects of the events of hosts; ids may hold dots. */
export const HOST_SUBJECTS = 'weft.topology.host.>';

const MAX_CAUSE = 64;

/** Reads an event of topology; undefined for what is none of this service's business. Throws `invalid` for what is no event. */
export const readTopologyEvent = ({
  data,
  deliveries,
}: Pick<EventMessage, 'data' | 'deliveries'>): TopologyEvent | undefined => {
  const wire = decode(data);
  const change = readChange(wire);
  if (change === undefined) return undefined;
  return {
    change,
    cause: { name: readCause(wire.cause), time: readTime(wire.time), trace: carrier() },
    redelivered: deliveries > 1,
  };
};

const decode = (data: Uint8Array): EventWire => {
  try {
    return EventWire.decode(data);
  } catch (error) {
    throw new DomainError('invalid', 'MALFORMED_MESSAGE', 'is not an event of topology', { cause: error });
  }
};

const readChange = ({ kind, resource, vtep }: EventWire): TopologyChange | undefined => {
  const gone = kind === ChangeKind.CHANGE_KIND_DELETED;
  switch (resource?.$case) {
    case 'host':
      return { kind: 'host', gone, host: readHost(resource.value) };
    case 'network':
      return { kind: 'network', gone, network: readNetwork(resource.value) };
    case 'port': {
      const port = readPort(resource.value);
      // A VTEP of another host than the port's would put the port where it is not.
      const own =
        vtep !== undefined && vtep.host_id === port.boundTo
          ? parseVtep('vtep', vtep.host_id, vtep.address, vtep.udp_port)
          : undefined;
      return { kind: 'port', gone, port, ...(own !== undefined && { vtep: own }) };
    }
    // Their ports have events of their own.
    case 'router':
    case 'floating_ip':
      return undefined;
    case undefined:
      throw invalidField('resource', '', 'is required');
  }
};

const readTime = (time: string | undefined): number => {
  const ms = Date.parse(time ?? '');
  return Number.isFinite(ms) ? ms : Date.now();
};

/** One word, as it goes on in every delta. */
const readCause = (cause: string): string => cause.replace(/[^\w./-]+/gu, '').slice(0, MAX_CAUSE);
