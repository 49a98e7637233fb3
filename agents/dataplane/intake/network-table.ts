import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Vni } from '#platform/net/vni.ts';
import type {
  EntryChange,
  ForwardingEntry,
  HostIdentity,
  LocalPort,
  NetworkChange,
  NetworkFacts,
  NetworkIntent,
  PortView,
  ProviderSegment,
  Vtep,
} from '../model/intent.ts';
import { sameSecurity, type PortSecurity } from '../model/port-security.ts';
import { sameFacts } from '../plan/segment.ts';
import { ClaimIndex } from './claim-index.ts';

/**
 * The desired state of one network on one host, and what of it has changed since `takeChange` was last called. Changes
 * cost in proportion to themselves, whatever the size of the table; a port that changes many times before it is taken
 * stands in the change once, from its first state to its last.
 */
export class NetworkTable implements NetworkIntent {
  readonly #host: HostIdentity;
  #facts: NetworkFacts;
  readonly #ports = new Map<string, LocalPort>();
  readonly #entries = new Map<string, ForwardingEntry>();
  readonly #manualFlood = new Set<IpAddress>();
  readonly #remoteVteps = new Map<IpAddress, Vtep>();
  readonly #portsBehind = new Map<IpAddress, number>();
  readonly #claims = new ClaimIndex();
  /** By port: which plugging of it this is, counted over all of them. */
  readonly #pluggings = new Map<string, number>();
  #lastPlugging = 0;
  #changed = new Map<string, PortView>();
  #floodBefore = new Map<IpAddress, Vtep | undefined>();
  /** The revision of l2pop's table that `entries` is; 0 before the first snapshot. */
  revision = 0n;

  constructor(host: HostIdentity, facts: NetworkFacts) {
    this.#host = host;
    this.#facts = facts;
  }

  get networkId(): Uuid {
    return this.#facts.networkId;
  }
  get vni(): Vni {
    return this.#facts.vni;
  }
  get mtu(): number {
    return this.#facts.mtu;
  }
  get provider(): ProviderSegment | undefined {
    return this.#facts.provider;
  }
  /** Whether l2pop has a table of it; stations of a physical network are learnt. */
  get isOverlay(): boolean {
    return this.provider === undefined;
  }
  get ports(): ReadonlyMap<string, LocalPort> {
    return this.#ports;
  }
  get entries(): ReadonlyMap<string, ForwardingEntry> {
    return this.#entries;
  }
  get remoteVteps(): ReadonlyMap<IpAddress, Vtep> {
    return this.#remoteVteps;
  }
  get manualFlood(): ReadonlySet<IpAddress> {
    return this.#manualFlood;
  }
  claimants(address: MacAddress | IpAddress): Iterable<string> {
    return this.#claims.claimants(address);
  }
  /** What is plugged behind a device. */
  portOf(device: string): LocalPort | undefined {
    for (const port of this.#ports.values()) if (port.device === device) return port;
    return undefined;
  }
  /** The entry whose port a tap is named after. */
  entryOfTap(device: string): ForwardingEntry | undefined {
    if (!device.startsWith('tap')) return undefined;
    const prefix = device.slice('tap'.length);
    // Looked for only when a device is new here, so a table of all prefixes would cost more than it saves.
    for (const [portId, entry] of this.#entries) if (portId.startsWith(prefix)) return entry;
    return undefined;
  }

  get hasChange(): boolean {
    return this.#changed.size > 0 || this.#floodBefore.size > 0;
  }

  /** What is wanted now, whatever comes after; cost in proportion to the network. */
  asItIs(): NetworkIntent {
    return {
      ...this.#facts,
      ports: new Map(this.#ports),
      entries: new Map(this.#entries),
      remoteVteps: new Map(this.#remoteVteps),
      manualFlood: new Set(this.#manualFlood),
    };
  }

  /** Takes over what topology says of the network; true when something of its devices differs from before. */
  updateFacts(facts: NetworkFacts): boolean {
    const differs = !sameFacts(facts, this.#facts);
    this.#facts = facts;
    return differs;
  }

  /** Applies changes that lead to `revision`. The caller has checked that they follow on the revision held. */
  applyChanges(changes: readonly EntryChange[], revision: bigint): void {
    for (const change of changes) {
      if (change.kind === 'set') this.#setEntry(change.entry);
      else this.#removeEntry(change.entry.portId);
    }
    this.revision = revision;
  }

  /** Adds entries without saying that the table is whole or at any revision. */
  addEntries(entries: readonly ForwardingEntry[]): void {
    for (const entry of entries) this.#setEntry(entry);
  }

  /** Makes the table equal to a complete snapshot. */
  replaceEntries(entries: readonly ForwardingEntry[], revision: bigint): void {
    const wanted = new Map(entries.map((entry) => [entry.portId, entry]));
    for (const portId of [...this.#entries.keys()]) if (!wanted.has(portId)) this.#removeEntry(portId);
    for (const entry of wanted.values()) this.#setEntry(entry);
    this.revision = revision;
  }

  /** How many of the entries a complete snapshot would remove: what the deletion guard looks at. */
  countMissing(entries: readonly ForwardingEntry[]): number {
    const kept = new Set(entries.map((entry) => entry.portId));
    let missing = 0;
    for (const portId of this.#entries.keys()) if (!kept.has(portId)) missing += 1;
    return missing;
  }

  plug(port: LocalPort): void {
    const before = this.#ports.get(port.portId);
    if (before !== undefined && sameLocalPort(before, port)) {
      this.secure(port.portId, port.security);
      return;
    }
    const view = this.#note(port.portId);
    this.#ports.set(port.portId, port);
    this.#pluggings.set(port.portId, ++this.#lastPlugging);
    this.#claims.move(port.portId, view, this.#view(port.portId));
  }

  /** Whether a plugged port may send something else by this word, or by a later one; an older word is no news. */
  isSecurityNews(portId: string, security: PortSecurity): boolean {
    const held = this.#ports.get(portId)?.security;
    if (held === undefined || security.revision < held.revision) return false;
    return security.revision > held.revision || !sameSecurity(security, held);
  }

  /** Takes up what a plugged port may send, if that is news. */
  secure(portId: string, security: PortSecurity): void {
    const port = this.#ports.get(portId);
    if (port === undefined || !this.isSecurityNews(portId, security)) return;
    this.#note(portId);
    this.#ports.set(portId, { ...port, security });
  }

  unplug(portId: string): LocalPort | undefined {
    const port = this.#ports.get(portId);
    if (port === undefined) return undefined;
    const view = this.#note(portId);
    this.#ports.delete(portId);
    this.#pluggings.delete(portId);
    this.#claims.move(portId, view, this.#view(portId));
    return port;
  }

  addManualFlood(address: IpAddress): void {
    if (this.#manualFlood.has(address)) return;
    this.#noteFlood(address);
    this.#manualFlood.add(address);
  }

  removeManualFlood(address: IpAddress): boolean {
    if (!this.#manualFlood.has(address)) return false;
    this.#noteFlood(address);
    this.#manualFlood.delete(address);
    return true;
  }

  /** What changed since the last call; the caller owes the kernel these steps now. */
  takeChange(): NetworkChange {
    const ports = new Map<string, { before: PortView; after: PortView }>();
    for (const [portId, before] of this.#changed) ports.set(portId, { before, after: this.#view(portId) });
    const floodAdded: Vtep[] = [];
    const floodRemoved: Vtep[] = [];
    for (const [address, before] of this.#floodBefore) {
      const after = this.#floodTarget(address);
      if (before === undefined && after !== undefined) floodAdded.push(after);
      else if (before !== undefined && after === undefined) floodRemoved.push(before);
      else if (before !== undefined && after !== undefined && before.udpPort !== after.udpPort) {
        floodAdded.push(after);
        floodRemoved.push(before);
      }
    }
    this.#changed = new Map();
    this.#floodBefore = new Map();
    return { ports, floodAdded, floodRemoved };
  }

  #setEntry(entry: ForwardingEntry): void {
    const before = this.#entries.get(entry.portId);
    if (before !== undefined && sameEntry(before, entry)) return;
    const view = this.#note(entry.portId);
    // The new place counts before the old one goes, so that a move between two ports of one VTEP keeps its flood row.
    this.#countVtep(entry.vtep, 1);
    if (before !== undefined) this.#countVtep(before.vtep, -1);
    this.#entries.set(entry.portId, entry);
    this.#claims.move(entry.portId, view, this.#view(entry.portId));
  }

  #removeEntry(portId: string): void {
    const before = this.#entries.get(portId);
    if (before === undefined) return;
    const view = this.#note(portId);
    this.#countVtep(before.vtep, -1);
    this.#entries.delete(portId);
    this.#claims.move(portId, view, this.#view(portId));
  }

  #countVtep(vtep: Vtep, by: 1 | -1): void {
    if (vtep.hostId === this.#host.hostId) return;
    const count = (this.#portsBehind.get(vtep.address) ?? 0) + by;
    const known = this.#remoteVteps.get(vtep.address);
    if (count > 0) {
      this.#portsBehind.set(vtep.address, count);
      if (by > 0 && (known?.udpPort !== vtep.udpPort || known.hostId !== vtep.hostId)) {
        this.#noteFlood(vtep.address);
        this.#remoteVteps.set(vtep.address, vtep);
      }
    } else {
      this.#noteFlood(vtep.address);
      this.#portsBehind.delete(vtep.address);
      this.#remoteVteps.delete(vtep.address);
    }
  }

  #view(portId: string): PortView {
    const entry = this.#entries.get(portId);
    const local = this.#ports.get(portId);
    const plugging = this.#pluggings.get(portId);
    return { ...(entry && { entry }), ...(local && { local }), ...(plugging !== undefined && { plugging }) };
  }

  /** To be called before a port changes; its view as it still is. */
  #note(portId: string): PortView {
    const view = this.#view(portId);
    if (!this.#changed.has(portId)) this.#changed.set(portId, view);
    return view;
  }

  #floodTarget(address: IpAddress): Vtep | undefined {
    return (
      this.#remoteVteps.get(address) ??
      (this.#manualFlood.has(address) ? { hostId: '', address, udpPort: this.#host.vtep.udpPort } : undefined)
    );
  }

  #noteFlood(address: IpAddress): void {
    if (!this.#floodBefore.has(address)) this.#floodBefore.set(address, this.#floodTarget(address));
  }
}

const sameIps = (a: readonly IpAddress[], b: readonly IpAddress[]): boolean =>
  a.length === b.length && a.every((ip, index) => ip === b[index]);

const sameEntry = (a: ForwardingEntry, b: ForwardingEntry): boolean =>
  a.generation === b.generation &&
  a.mac === b.mac &&
  a.vtep.hostId === b.vtep.hostId &&
  a.vtep.address === b.vtep.address &&
  a.vtep.udpPort === b.vtep.udpPort &&
  sameIps(a.ips, b.ips);

const sameLocalPort = (a: LocalPort, b: LocalPort): boolean =>
  a.device === b.device && a.mac === b.mac && a.generation === b.generation && sameIps(a.ips, b.ips);
