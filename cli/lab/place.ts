import { DomainError } from '#platform/errors/domain-error.ts';
import { isAlive, namespaceInode } from './proc.ts';
import type { ProcessIdentity } from './proc.ts';
import {
  controlNamespace,
  gatewayNamespace,
  guestNamespace,
  hostNamespace,
  parseProcessName,
  underlayNamespace,
} from './names.ts';
import type { GuestName, LabHostName, NamespaceName } from './names.ts';
import type { LabStore } from './store.ts';
import { toolPath } from './tools.ts';

/** The process that keeps a host's mount and UTS namespaces. */
export const HOLDER = parseProcessName('process', 'holder');

/** Somewhere in a lab. */
export type LabPlace =
  | { readonly kind: 'host'; readonly host: LabHostName }
  | { readonly kind: 'vm'; readonly vm: GuestName }
  | { readonly kind: 'control' }
  | { readonly kind: 'underlay' }
  | { readonly kind: 'gateway' };

/** The network namespace of a place. */
export const namespaceOf = (store: LabStore, place: LabPlace): NamespaceName => {
  switch (place.kind) {
    case 'host':
      return hostNamespace(store.name, place.host);
    case 'vm':
      return guestNamespace(store.name, place.vm);
    case 'control':
      return controlNamespace(store.name);
    case 'underlay':
      return underlayNamespace(store.name);
    case 'gateway':
      return gatewayNamespace(store.name);
  }
};

/**
 * The arguments that run what follows them in a place: for a host in its network, mount and UTS namespace, else in the
 * network namespace. Throws `not_found` or `precondition` when the place is not there.
 */
export const enterPlace = (store: LabStore, place: LabPlace, cwd: string): readonly string[] => {
  if (place.kind === 'host') return enterHost(holderOf(store, place.host), cwd);
  if (place.kind === 'vm') store.guest(place.vm);
  const namespace = namespaceOf(store, place);
  if (namespaceInode(namespace) === undefined) {
    throw new DomainError('precondition', 'NAMESPACE_GONE', `namespace ${namespace} of lab ${store.name} is gone`);
  }
  return [toolPath('nsenter'), `--net=/run/netns/${namespace}`, '--'];
};

/** As `enterPlace`, for the host of a holder. Entering a mount namespace forgets the folder, hence `cwd`. */
const enterHost = (holder: ProcessIdentity, cwd: string): readonly string[] => [
  toolPath('nsenter'),
  `--target=${holder.pid.toString()}`,
  '--mount',
  '--uts',
  '--net',
  `--wd=${cwd}`,
  '--',
];

/** The living holder of a host. Throws `precondition` when it is gone: its mounts are lost, the lab must be made anew. */
export const holderOf = (store: LabStore, host: LabHostName): ProcessIdentity => {
  store.host(host);
  const { identity } = store.process(host, HOLDER);
  if (identity === undefined || !isAlive(identity)) {
    throw new DomainError(
      'precondition',
      'HOST_GONE',
      `host ${host} of lab ${store.name} has lost the process that keeps its namespaces; make the lab anew`,
    );
  }
  return identity;
};
