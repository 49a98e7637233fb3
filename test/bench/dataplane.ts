import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import type { LabDriver } from '../../cli/lab/index.ts';
import type { LabWeft } from '../system/lab-weft.ts';

/** What a benchmark needs to know of a dataplane: how to look at it, and what its parts cost by themselves. */
export interface BenchDataplane {
  readonly driver: LabDriver;
  /** What more the parts cost by themselves on this machine, now: medians in milliseconds, by the key of the results. */
  measureFloor(): Promise<Readonly<Record<string, number>>>;
  /** Watches all hosts of a lab for ports of a network, until disposed. All that happens after this resolves is seen. */
  observe(lab: LabWeft, network: Network): Promise<Observer>;
  /** Writes the table of so many ports of another host by the host's own tools alone, to a bridge of its own. */
  measureRawTable(lab: LabWeft, host: string, count: number): Promise<RawTable>;
  /** What a host has of a network's ports on other hosts, asked of the host's own tools. */
  remoteTable(lab: LabWeft, host: string, network: Network): Promise<RemoteTable>;
  /** Resident memory in MB of what serves the dataplane besides the agent on a host, by the key of the results. */
  memory(lab: LabWeft, host: string): Promise<Readonly<Record<string, number>>>;
}

/** Seconds that the host's own tools take. */
export interface RawTable {
  /** For all of it, or for its MAC addresses where the host has its neighbours elsewhere. */
  readonly seconds: number;
  /** For what answers ARP, by itself. */
  readonly neighboursSeconds: number;
}

export interface RemoteTable {
  readonly macs: number;
  readonly addresses: number;
}

/** Something new on a host; `what` tells what, in words that only the observer's own have to fit. */
export interface Sighting {
  readonly host: string;
  /** Milliseconds since 1970, as the word of it reached whoever watches there. */
  readonly ms: number;
  readonly what: string;
}

/**
 * Watches hosts beside weft: what weft says of itself is not asked. What was seen is only kept until it is asked for, so
 * that making sense of it takes no time from what is measured.
 */
export interface Observer extends AsyncDisposable {
  /** What is seen on a port's own host when its tap is there. */
  tapOf(port: Port): string;
  /** All that is seen on each other host once frames find their way from there to a port on `host`. */
  rowsOf(port: Port, host: string): readonly string[];
  /** What was seen since the last call, host by host in the order it was seen. */
  take(): Promise<readonly Sighting[]>;
}
