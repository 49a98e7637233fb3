import type { ObservedHost, OvsPort } from '../model/observed.ts';
import type { OverlayPeer, OverlaySpec } from '../model/spec.ts';
import type { OverlayStep } from '../model/step.ts';
import { addTunnel, deletePort, setOptions, setProtected, tunnelOptions } from './steps.ts';

/** The options that decide where a tunnel leads; others a person may have set for reasons of their own. */
const MANAGED = ['remote_ip', 'local_ip', 'key', 'in_key', 'out_key', 'dst_port'] as const;

const SPLIT_HORIZON =
  'with two or more peers, what comes by one tunnel must not leave by another: a full mesh would loop';

/** Steps about the tunnels of an overlay whose bridge is there or is about to be. */
export const planTunnels = (
  spec: OverlaySpec,
  observed: ObservedHost,
): { readonly removals: readonly OverlayStep[]; readonly others: readonly OverlayStep[] } => {
  const isProtected = spec.peers.length > 1;
  const wanted = new Map(spec.peers.map((peer) => [peer.device as string, peer]));
  const held = new Map(tunnelsOf(spec, observed).map((port) => [port.name, port]));
  const doomed = new Set<string>();
  const removals: OverlayStep[] = [];
  const remove = (port: OvsPort, reason: string): void => {
    doomed.add(port.name);
    removals.push(deletePort(port.bridge, port.name, reason));
  };
  for (const port of held.values()) {
    const peer = wanted.get(port.name);
    if (peer === undefined) remove(port, `overlay ${spec.name} has no peer behind ${port.name}`);
    else if (port.bridge !== spec.bridge) remove(port, `${port.name} is to be a port of ${spec.bridge}`);
    else if (port.type !== 'vxlan') remove(port, `${port.name} is to be a VXLAN tunnel`);
  }
  // Two tunnels that lead to the same place cannot be at the same time, not even while they change places.
  for (const peer of spec.peers) {
    const identity = identityOf(optionsOf(spec, peer));
    for (const port of held.values()) {
      if (port.name === peer.device || doomed.has(port.name) || identityOf(port.options) !== identity) continue;
      remove(port, `${peer.remote} is to be behind ${peer.device}`);
    }
  }
  const others = spec.peers.flatMap((peer) => {
    const port = doomed.has(peer.device) ? undefined : held.get(peer.device);
    return port === undefined ? [addTunnel(spec, peer, isProtected)] : changes(spec, peer, port, isProtected);
  });
  // Before a second tunnel there must be no moment in which the first forwards to it.
  return { removals, others: others.sort((a, b) => order(a) - order(b)) };
};

/** Ports that were made for the overlay as tunnels: all of its ports but those that are devices of the host. */
const tunnelsOf = ({ name, bridge }: OverlaySpec, observed: ObservedHost): readonly OvsPort[] =>
  [...observed.ports.values()].filter((port) => port.overlay === name && port.type !== '' && port.name !== bridge);

const changes = (spec: OverlaySpec, peer: OverlayPeer, port: OvsPort, isProtected: boolean): readonly OverlayStep[] => {
  const wanted = optionsOf(spec, peer);
  const differing = MANAGED.filter((key) => (wanted.get(key) ?? '') !== (port.options.get(key) ?? ''));
  const steps: OverlayStep[] = [];
  if (port.isProtected !== isProtected) {
    const reason = isProtected ? SPLIT_HORIZON : 'with one peer, there is no other tunnel';
    steps.push(setProtected(port.name, isProtected, reason));
  }
  if (differing.length > 0) {
    const options = Object.fromEntries(differing.map((key) => [key, wanted.get(key) ?? '']));
    steps.push(setOptions(port.name, options, `${peer.remote} is a peer of overlay ${spec.name}`));
  }
  return steps;
};

const optionsOf = (spec: OverlaySpec, peer: OverlayPeer): ReadonlyMap<string, string> =>
  new Map(Object.entries(tunnelOptions(spec, peer)));

const identityOf = (options: ReadonlyMap<string, string>): string =>
  [
    options.get('remote_ip'),
    options.get('local_ip'),
    options.get('key') ?? '0',
    options.get('dst_port') ?? '4789',
  ].join(' ');

const order = (step: OverlayStep): number => (step.ovs?.kind === 'set' ? 0 : 1);
