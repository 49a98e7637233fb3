/** What kind of thing is on a host. */
export type ThingKind = 'device' | 'namespace' | 'process' | 'file' | 'rule';

/** A thing by its name; names are unique per kind and network namespace. */
export interface ThingRef {
  readonly kind: ThingKind;
  readonly name: string;
  /** Empty: the host's. */
  readonly namespace: string;
}

/** An object of the control plane, or an overlay of this host, that something on the host is for. */
export interface ObjectRef {
  readonly kind: 'network' | 'port' | 'router' | 'dhcp' | 'overlay' | 'host';
  /** UUID; of an overlay its name; of DHCP the network's. */
  readonly id: string;
}

/** A change of a thing, as it was done by this host's agent. */
export interface Change {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly traceId: string;
  /** What led to it. */
  readonly cause: string;
  /** Who called. */
  readonly caller: string;
  /** The command that it stands for. */
  readonly command: string;
  readonly reason: string;
  readonly object?: ObjectRef;
}

/** A thing as one text, by which it is found again. */
export const keyOf = ({ kind, name, namespace }: ThingRef): string => `${kind} ${namespace} ${name}`;

/** What `keyOf` made a text of. */
export const thingOfKey = (key: string): ThingRef => {
  const [kind = '', namespace = '', ...name] = key.split(' ');
  return { kind: kind as ThingKind, namespace, name: name.join(' ') };
};
