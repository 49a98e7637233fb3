import type { HostIdentity, ProviderSegment } from '../../model/intent.ts';
import type { PipelineOptions } from './flows.ts';

/** Where planning is done. */
export interface Site extends PipelineOptions {
  readonly host: HostIdentity;
  /** Name of the integration bridge. */
  readonly bridge: string;
  /** The bridge that leads to a physical network; none are led to without. */
  readonly providerBridge?: (provider: ProviderSegment) => ProviderBridge;
}

/** The bridge of Open vSwitch that leads to a physical network. */
export interface ProviderBridge {
  readonly name: string;
  /** The interface in it, where the agent makes the bridge; without, somebody else has made it, and it leads where he wants. */
  readonly uplink?: string | undefined;
}
