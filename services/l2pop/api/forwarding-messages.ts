import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { ForwardingDelta } from '#proto/weft/event/v1/event.ts';
import type {
  ForwardingChange as ChangeMessage,
  ForwardingEntry as EntryMessage,
  Vtep as VtepMessage,
} from '#proto/weft/type/v1/forwarding.ts';
import type { DeltaCodec } from '../app/ports.ts';
import type { ForwardingEntry, Vtep } from '../domain/entry.ts';
import { parseRevision } from '../domain/revision.ts';
import type { TableChange, TableRevision } from '../domain/table.ts';
import { parseVtep } from '../domain/vtep.ts';

/** Above this a message would tax the bus; a receiver fetches what it says instead. */
const MAX_DELTA_BYTES = 512 * 1_024;

export const vtepMessage = ({ hostId, address, udpPort }: Vtep): VtepMessage => ({
  host_id: hostId,
  address,
  udp_port: udpPort,
});

export const entryMessage = ({ portId, mac, ips, vtep, generation }: ForwardingEntry): EntryMessage => ({
  port_id: portId,
  mac_address: mac,
  ip_addresses: [...ips],
  vtep: vtepMessage(vtep),
  generation: generation.toString(),
});

export const changeMessage = (change: TableChange): ChangeMessage => {
  if (change.kind === 'removed') return { change: { $case: 'removed', value: entryMessage(change.entry) } };
  const { entry, previous } = change;
  return {
    change: { $case: 'set', value: entryMessage(entry) },
    ...(previous !== undefined && { previous: entryMessage(previous) }),
  };
};

/** Deltas as hosts read them. One that is too large says no more than that there is something to be fetched. */
export const deltaCodec: DeltaCodec = {
  encode: (networkId, revision) => deltaBytes(networkId, revision),
  decode: (data) => readDelta(data),
};

const deltaBytes = (networkId: string, { revision, cause, time, changes }: TableRevision): Uint8Array => {
  const delta: ForwardingDelta = {
    network_id: networkId,
    base_revision: (revision - 1).toString(),
    revision: revision.toString(),
    cause,
    changes: changes.map(changeMessage),
    time: new Date(time).toISOString(),
  };
  const bytes = ForwardingDelta.encode(delta).finish();
  if (bytes.length <= MAX_DELTA_BYTES) return bytes;
  // Nobody holds what it starts from, so to every receiver there is a hole before it.
  return ForwardingDelta.encode({ ...delta, base_revision: delta.revision, changes: [] }).finish();
};

const readDelta = (data: Uint8Array): TableRevision | undefined => {
  const { revision, base_revision, cause, time, changes } = ForwardingDelta.decode(data);
  if (base_revision === revision) return undefined;
  return {
    revision: parseRevision('revision', revision),
    cause,
    time: Date.parse(time ?? '') || 0,
    changes: changes.flatMap(readChange),
  };
};

const readChange = ({ change, previous }: ChangeMessage): readonly TableChange[] => {
  switch (change?.$case) {
    case 'set':
      return [
        {
          kind: 'set',
          entry: readEntry(change.value),
          ...(previous !== undefined && { previous: readEntry(previous) }),
        },
      ];
    case 'removed':
      return [{ kind: 'removed', entry: readEntry(change.value) }];
    case undefined:
      return [];
  }
};

const readEntry = (message: EntryMessage): ForwardingEntry => ({
  portId: parseUuid('port_id', message.port_id),
  mac: parseMac('mac_address', message.mac_address),
  ips: message.ip_addresses.map((ip) => parseUnicastIp('ip_addresses', ip)),
  vtep: parseVtep('vtep', message.vtep?.host_id ?? '', message.vtep?.address ?? '', message.vtep?.udp_port ?? 0),
  generation: BigInt(message.generation),
});
