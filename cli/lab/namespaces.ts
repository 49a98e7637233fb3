import { readdirSync } from 'node:fs';
import { DomainError } from '#platform/errors/domain-error.ts';
import {
  namespacePrefix,
  controlNamespace,
  gatewayNamespace,
  guestNamespace,
  hostNamespace,
  underlayNamespace,
} from './names.ts';
import type { LabName, NamespaceName } from './names.ts';
import { attempt } from './attempt.ts';
import { isErrno, registeredLabs } from './store.ts';
import type { LabStore } from './store.ts';

/** All that `ip netns` knows on this machine. */
export const allNamespaces = (): readonly string[] => {
  try {
    return readdirSync('/run/netns').sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

/** The namespaces that a lab's records name, made or not. A record that cannot be read names none. */
export const recordedNamespaces = (store: LabStore): ReadonlySet<NamespaceName> => {
  const hosts = attempt(() => store.lab()?.hosts ?? [], []);
  const guests = attempt(() => store.guests(), []);
  const gateway =
    attempt(() => store.lab()?.providerGateway ?? [], []).length > 0 ? [gatewayNamespace(store.name)] : [];
  return new Set([
    underlayNamespace(store.name),
    controlNamespace(store.name),
    ...gateway,
    ...hosts.map(({ name }) => hostNamespace(store.name, name)),
    ...guests.map(({ name }) => guestNamespace(store.name, name)),
  ]);
};

/**
 * The namespaces of a lab that exist: what its records name, and what its name begins, unless another lab's records or name
 * say that it is theirs.
 */
export const namespacesOf = (lab: LabName, stores: readonly LabStore[] = registeredLabs()): readonly string[] => {
  const own = stores.filter(({ name }) => name === lab).flatMap((store) => [...recordedNamespaces(store)]);
  const others = stores.filter(({ name }) => name !== lab);
  const recorded = new Set<string>(own);
  const foreign = new Set<string>(others.flatMap((store) => [...recordedNamespaces(store)]));
  const longer = others
    .map(({ name }) => namespacePrefix(name))
    .filter((prefix) => prefix.startsWith(namespacePrefix(lab)));
  return allNamespaces().filter(
    (namespace) =>
      recorded.has(namespace) ||
      (namespace.startsWith(namespacePrefix(lab)) &&
        !foreign.has(namespace) &&
        !longer.some((prefix) => namespace.startsWith(prefix))),
  );
};

/** Throws `exists` when one of these is there: its maker would otherwise lose it to whoever records it as well. */
export const refuseExisting = (namespaces: Iterable<NamespaceName>): void => {
  const existing = new Set(allNamespaces());
  for (const namespace of namespaces) {
    if (!existing.has(namespace)) continue;
    throw new DomainError(
      'exists',
      'NAMESPACE_EXISTS',
      `network namespace ${namespace} exists; if a lab of that name left it behind, "weft lab down" with its name removes it`,
      { details: { namespace } },
    );
  }
};
