import type { Clock } from '#platform/async/clock.ts';
import type { Log } from '#platform/log/log.ts';
import type { Mtu } from '#platform/net/mtu.ts';
import type { IdempotentRequest } from '#platform/store/idempotency.ts';
import type { OutgoingEvent, Store } from '#platform/store/store.ts';
import type { Host, Vtep } from '../domain/host.ts';
import type { Network } from '../domain/network.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import type { Port } from '../domain/port.ts';
import type { Router } from '../domain/router.ts';
import type { Ipam } from './ipam.ts';
import type { Records } from './records.ts';

/** What the use cases work with. */
export interface Environment {
  readonly store: Store;
  readonly records: Records;
  readonly ipam: Ipam;
  /** How a change is told to others. */
  readonly announce: (change: Change) => OutgoingEvent;
  readonly clock: Clock;
  /** Of networks that do not say. */
  readonly defaultMtu: Mtu;
  /** Tells the loop of errands that there is one. Does not wait. */
  readonly errandBegun: () => void;
  readonly log: Log;
}

export type Resource =
  | { readonly kind: 'host'; readonly host: Host; readonly lease: number | undefined }
  | { readonly kind: 'network'; readonly network: Network }
  /** `vtep`: of the host it is bound to. */
  | { readonly kind: 'port'; readonly port: Port; readonly vtep: Vtep | undefined }
  | { readonly kind: 'router'; readonly router: Router }
  | { readonly kind: 'floating_ip'; readonly floatingIp: FloatingIp };

/** What happened to a resource; of a deleted one, its last state with a revision of its own. */
export type Change = Resource & {
  readonly what: 'created' | 'updated' | 'deleted';
  /** The RPC or the loop that did it. */
  readonly cause: string;
  /** Milliseconds since 1970. */
  readonly time: number;
};

/** How a mutation is to be done. */
export interface Mutation {
  /** The RPC's name, for the event. */
  readonly cause: string;
  readonly request: IdempotentRequest;
  /** Checks all, changes nothing. */
  readonly validateOnly: boolean;
}

/** A mutation that nobody asks for by a request id. */
export const unasked = (cause: string): Mutation => ({
  cause,
  request: { requestId: '', method: cause, body: '' },
  validateOnly: false,
});
