import type { Operation } from './operation.ts';

/** What a host serves besides forwarding, DHCP and routers, all of it together. */
export interface Edge {
  /** Operations done since the start. */
  operations(): number;
  /** What would be done now to serve all of it as told; nothing when the host is right. Rejects with why it cannot be. */
  plan(signal: AbortSignal): Promise<readonly Operation[]>;
}
