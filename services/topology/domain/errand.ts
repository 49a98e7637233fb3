import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { isServed } from './device-owner.ts';
import type { Port } from './port.ts';

/**
 * Something begun that must be ended, whatever becomes of who began it. It is written before the first step outside this
 * store, or in the commit that makes it necessary, and removed with the last step.
 */
export type Errand = Creation | Release | Restatement;

interface Begun {
  /** Whose turn it is: who ends an errand must find the token it began with. */
  readonly token: string;
  /** Milliseconds since 1970: somebody was at it then. */
  readonly at: number;
  /** Trace context of what made it necessary. */
  readonly trace: Readonly<Record<string, string>>;
}

/** A port or network that is being created: IPAM may hold something for it. Never there together with the resource. */
export interface Creation extends Begun, Holding {
  readonly kind: 'create';
}

/** What IPAM holds for a port or network that is gone, or never came to be, is being given back. */
export interface Release extends Begun, Holding {
  readonly kind: 'release';
}

/** Ports of a network are to get the status that its new administrative state gives them. */
export interface Restatement extends Begun {
  readonly kind: 'restate';
  readonly networkId: Uuid;
}

/** In whose name IPAM holds something. */
export type Holder =
  | {
      readonly kind: 'port';
      readonly id: Uuid;
      readonly networkId: Uuid;
      /** Of ports that topology makes itself. */
      readonly deviceOwner?: ResourceName;
    }
  | { readonly kind: 'network'; readonly id: Uuid };

interface Holding {
  readonly holder: Holder;
}

/** Whoever is at an errand gives up before; later anybody else may take it over. */
const PATIENCE_MS = 10_000;
/** What the calls of one turn may take, all together: well below the patience of the others. */
export const TURN_MS = 5_000;

/** In whose name IPAM holds what a port has. */
export const portHolder = ({ id, networkId, deviceOwner }: Pick<Port, 'id' | 'networkId' | 'deviceOwner'>): Holder => ({
  kind: 'port',
  id,
  networkId,
  ...(isServed(deviceOwner) ? { deviceOwner } : {}),
});

/** The record of what is held in this name. */
export const holderKey = (holder: Holder): string => `${holder.kind}:${holder.id}`;
export const restatementKey = (networkId: Uuid): string => `restate:${networkId}`;

/** Whether nobody is at it any more. A restatement may be done by any number at once. */
export const isIdle = (errand: Errand, now: number): boolean =>
  errand.kind === 'restate' || errand.at + PATIENCE_MS <= now;
