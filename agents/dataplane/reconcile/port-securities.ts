import type { PortSecurity } from '../model/port-security.ts';

/** What topology has said of what ports bound to this host may send, plugged or not yet. */
export class PortSecurities {
  readonly #told = new Map<string, PortSecurity>();

  set(portId: string, security: PortSecurity): void {
    const known = this.#told.get(portId);
    if (known === undefined || known.revision <= security.revision) this.#told.set(portId, security);
  }

  end(portId: string): void {
    this.#told.delete(portId);
  }

  /** The newer of what is held and another word about the port. */
  newest(portId: string, other: PortSecurity): PortSecurity {
    const known = this.#told.get(portId);
    return known !== undefined && known.revision >= other.revision ? known : other;
  }
}
