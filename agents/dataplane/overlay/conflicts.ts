import { DomainError } from '#platform/errors/domain-error.ts';
import type { ObservedHost } from './model/observed.ts';
import type { OverlaySpec } from './model/spec.ts';
import { ownNames } from './plan/naming.ts';

/** Throws `precondition` for what another overlay of this host has: a name, a tunnel to the same place. */
export const refuseConflicts = (spec: OverlaySpec, others: readonly OverlaySpec[]): void => {
  for (const other of others) {
    const taken = new Set(ownNames(other));
    const name = ownNames(spec).find((each) => taken.has(each));
    if (name !== undefined) {
      throw new DomainError(
        'precondition',
        'FOREIGN_DEVICE',
        `${name} belongs to overlay ${other.name}; choose another name`,
        {
          details: { device: name, overlay: other.name },
        },
      );
    }
    for (const [at, { remote }] of spec.peers.entries()) {
      const twin = other.peers.find((peer) => peer.remote === remote);
      if (
        twin === undefined ||
        other.vni !== spec.vni ||
        other.udpPort !== spec.udpPort ||
        other.local !== spec.local
      ) {
        continue;
      }
      throw new DomainError(
        'precondition',
        'TUNNEL_IN_USE',
        `overlay.peers[${at.toString()}].remote_address: overlay ${other.name} has a tunnel to ${remote} with the same VNI and ` +
          'UDP port already; choose another vni, on all hosts',
        { details: { overlay: other.name, device: twin.device } },
      );
    }
  }
};

/** Throws `precondition` when the address that tunnels are to come from is not this host's. */
export const refuseForeignLocal = ({ local }: OverlaySpec, { links }: ObservedHost): void => {
  if (local === undefined) return;
  for (const { addresses } of links.values()) if (addresses.some(({ ip }) => ip === local)) return;
  throw new DomainError(
    'precondition',
    'NO_UNDERLAY',
    `overlay.local_address: no interface of this host bears ${local}`,
    { details: { local_address: local } },
  );
};
