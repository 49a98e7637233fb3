import type { HostId } from '#platform/net/names.ts';

/**
 * Where a port is. Three laws, whatever order the words of different hosts arrive in:
 *
 * - The new place wins. A host that reports a device of the port for the first time takes the binding over, since in a
 *   live migration the destination's device appears while the source's is still there.
 * - A host that was cut off does not take it back. What a host reported stays as its *claim* until it reports the device
 *   gone; a report repeated while the claim stands carries nothing new and moves nothing.
 * - What has gone falls back. When the device on the bound host goes, the newest claim still standing gets the port (a
 *   migration that was given up), and only without one is it bound nowhere.
 *
 * A host's own words about one port must come in order: it sends the next when the last was answered or given up. A word
 * that is doubled is harmless; so is a "down" that comes late, because it names the generation its host knew, and a
 * device that came back has a newer claim.
 *
 * A claim whose "down" is lost for good (the host was installed anew) keeps that host from taking the port back until
 * the port's device elsewhere goes, or an operator binds it, or the host is deleted.
 */
export interface Binding {
  /** Absent: bound nowhere. */
  readonly hostId?: HostId;
  /** One more with each change of `hostId`; 0: never bound. */
  readonly generation: number;
  /** Hosts whose report of a device stands, and the generation they got by it. No two have the same. */
  readonly claims: Readonly<Record<HostId, number>>;
  /** Why the bound host refuses it. */
  readonly failure?: string;
}

/** The binding of a port nobody has seen yet. */
export const unbound: Binding = { generation: 0, claims: {} };

/** A device of the port exists on `host`. The very same value when that says nothing new. */
export const deviceUp = (binding: Binding, host: HostId): Binding => {
  const claimed = binding.claims[host] !== undefined;
  if (binding.hostId === host) {
    if (claimed && binding.failure === undefined) return binding;
    const { failure: _cleared, ...rest } = binding;
    return claimed ? rest : { ...rest, claims: { ...binding.claims, [host]: binding.generation } };
  }
  if (claimed) return binding;
  const generation = binding.generation + 1;
  return { hostId: host, generation, claims: { ...binding.claims, [host]: generation } };
};

/**
 * The device of the port on `host` is gone, says a host that knew the binding's `generation`. The very same value when a
 * newer report of that host stands: then this word is a late one.
 */
export const deviceDown = (binding: Binding, host: HostId, generation: number): Binding => {
  // Without a claim it was bound there by an operator, at the current generation.
  const since = binding.claims[host] ?? (binding.hostId === host ? binding.generation : undefined);
  return since === undefined || since > generation ? binding : withoutHost(binding, host);
};

/**
 * A device of a port that topology places exists on `host`: that moves nothing and leaves no claim, since the host that
 * should have it is told so. The very same value but where it ends the bound host's refusal.
 */
export const servedUp = (binding: Binding, host: HostId): Binding => {
  if (binding.hostId !== host || binding.failure === undefined) return binding;
  const { failure: _cleared, ...rest } = binding;
  return rest;
};

/** All of `host` is gone: its claim, and its binding to whoever has the newest claim left. */
export const withoutHost = (binding: Binding, host: HostId): Binding => {
  const { [host]: claim, ...claims } = binding.claims;
  if (binding.hostId !== host) return claim === undefined ? binding : { ...binding, claims };
  return moved(newestClaim(claims), binding.generation + 1, claims);
};

/** An operator binds it to `host`, or nowhere. Claims stay: their hosts' devices still exist. */
export const boundTo = (binding: Binding, host: HostId | undefined): Binding =>
  binding.hostId === host ? binding : moved(host, binding.generation + 1, binding.claims);

/** The bound host cannot serve it. The very same value when the word is about another binding, or known. */
export const refused = (binding: Binding, host: HostId, generation: number, failure: string): Binding =>
  binding.hostId !== host || binding.generation !== generation || binding.failure === failure
    ? binding
    : { ...binding, failure };

const moved = (hostId: HostId | undefined, generation: number, claims: Binding['claims']): Binding => ({
  ...(hostId === undefined ? {} : { hostId }),
  generation,
  claims,
});

const newestClaim = (claims: Binding['claims']): HostId | undefined => {
  let newest: readonly [HostId, number] | undefined;
  // Keys of the record are host ids; Object.entries forgets that.
  for (const entry of Object.entries(claims) as [HostId, number][]) {
    if (newest === undefined || entry[1] > newest[1]) newest = entry;
  }
  return newest?.[0];
};
