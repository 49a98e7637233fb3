import type { ObservedHost } from '../model/observed.ts';
import type { OverlaySpec } from '../model/spec.ts';
import { ETHERNET_MTU } from './checks.ts';

/** What the agent cannot do itself, as sentences with the command where there is one. */
export const notesFor = (spec: OverlaySpec, observed: ObservedHost, mtu: number | undefined): readonly string[] => {
  const notes: string[] = [];
  if (mtu !== undefined && mtu !== ETHERNET_MTU && spec.links.length > 0) {
    const bridges = spec.links.map(({ bridge }) => bridge).join(', ');
    notes.push(
      `containers behind ${bridges} need MTU ${mtu.toString()}: start dockerd with --mtu ${mtu.toString()}, ` +
        `or put "mtu": ${mtu.toString()} into /etc/docker/daemon.json, and restart it`,
    );
  }
  const versions = new Set(spec.addresses.map(({ network }) => network.version));
  for (const { bridge } of spec.links) {
    for (const { network } of observed.links.get(bridge)?.addresses ?? []) {
      const same = spec.addresses.find((each) => each.network.text === network.text);
      if (same !== undefined) {
        notes.push(
          `${bridge} and ${spec.bridge} are both in ${network.text}: this host itself reaches it through one of them only`,
        );
      } else if (!versions.has(network.version)) {
        notes.push(
          `${network.text} of ${bridge} is not checked: overlay ${spec.name} has no IPv${network.version.toString()} address`,
        );
      }
    }
  }
  return notes;
};
