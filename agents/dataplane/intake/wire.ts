import type { ForwardingDelta } from '#proto/weft/event/v1/event.ts';
import type { RevisionChanges } from '#proto/weft/l2pop/v1/l2pop.ts';
import type { ForwardingChange as WireChange, ForwardingEntry as WireEntry } from '#proto/weft/type/v1/forwarding.ts';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { parseIp, type IpAddress } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseHostId, parseUuid } from '#platform/net/names.ts';
import { parseUdpPort } from '#platform/net/udp-port.ts';
import type { TableChange } from '../model/control-plane.ts';
import type { EntryChange, ForwardingEntry } from '../model/intent.ts';

/** More addresses than this on one port are a defect, not a port. */
const MAX_IPS = 256;

/** Reads an entry as it comes from l2pop. Throws `invalid`: nothing unchecked reaches a command. */
export const parseEntry = (field: string, entry: WireEntry | undefined): ForwardingEntry => {
  if (entry?.vtep === undefined) throw invalidField(field, entry, 'has no VTEP');
  if (entry.ip_addresses.length > MAX_IPS)
    throw invalidField(`${field}.ip_addresses`, entry.ip_addresses.length, 'is too many');
  return {
    portId: parseUuid(`${field}.port_id`, entry.port_id),
    mac: parseMac(`${field}.mac_address`, entry.mac_address),
    ips: entry.ip_addresses.map((text): IpAddress => parseIp(`${field}.ip_addresses`, text)),
    vtep: {
      hostId: parseHostId(`${field}.vtep.host_id`, entry.vtep.host_id),
      address: parseIp(`${field}.vtep.address`, entry.vtep.address),
      udpPort: parseUdpPort(`${field}.vtep.udp_port`, entry.vtep.udp_port),
    },
    generation: BigInt(entry.generation),
  };
};

/**
 * Reads the changes of one revision. A bad entry does not drop its neighbours: it is handed to `onBad` and left out, and
 * the digest will differ until it is mended.
 */
const parseChanges = (changes: readonly WireChange[], onBad: (error: DomainError) => void): readonly EntryChange[] => {
  const parsed: EntryChange[] = [];
  for (const { change } of changes) {
    try {
      if (change?.$case === 'set') parsed.push({ kind: 'set', entry: parseEntry('set', change.value) });
      else if (change?.$case === 'removed')
        parsed.push({ kind: 'removed', entry: parseEntry('removed', change.value) });
    } catch (thrown) {
      if (!(thrown instanceof DomainError)) throw thrown;
      onBad(thrown);
    }
  }
  return parsed;
};

/**
 * Reads a message from the bus. Throws `invalid` for one that leads further than its changes can: taken up, it would make
 * the host deaf to all revisions in between.
 */
export const parseDelta = (delta: ForwardingDelta, onBad: (error: DomainError) => void): TableChange => {
  const baseRevision = BigInt(delta.base_revision);
  const revision = BigInt(delta.revision);
  const most = BigInt(Math.max(1, delta.changes.length));
  if (revision < baseRevision || revision - baseRevision > most) {
    throw invalidField(
      'revision',
      delta.revision,
      `is not what ${most.toString()} changes after ${delta.base_revision} lead to`,
    );
  }
  return { baseRevision, revision, cause: delta.cause, changes: parseChanges(delta.changes, onBad) };
};

/** Reads a pulled change; pulled ones follow on each other. */
export const parseRevision = (change: RevisionChanges, onBad: (error: DomainError) => void): TableChange => ({
  baseRevision: BigInt(change.revision) - 1n,
  revision: BigInt(change.revision),
  cause: change.cause,
  changes: parseChanges(change.changes, onBad),
});
