import type { VswitchDatabase } from '../protocols/ovsdb/vswitch-database.ts';
import type { CommandRunner } from '../sys/command.ts';
import type { HostFiles } from '../sys/host-files.ts';
import type { Sysctl } from '../sys/sysctl.ts';
import type { Ruleset } from './firewall/read.ts';
import type { PeerProbes } from './underlay/probe.ts';

/** How checks look further. Everything of it is somebody else's to close. */
export interface CheckTools {
  readonly commands: CommandRunner;
  readonly sysctl: Sysctl;
  readonly files: HostFiles;
  readonly database: VswitchDatabase;
  /** All rules of the host, read once for one look; undefined where there is no program that reads them. */
  readonly ruleset: (signal: AbortSignal) => Promise<Ruleset | undefined>;
  /** What came of asking the peers, once for one look. */
  readonly probes: (signal: AbortSignal) => Promise<PeerProbes>;
  /** How far the control plane's clock is ahead of this host's; undefined where there is no control plane. */
  readonly clockAhead?: (signal: AbortSignal) => Promise<ClockReading>;
}

/** A reading of another clock. */
export interface ClockReading {
  readonly address: string;
  /** Milliseconds by which it is ahead of this host's; negative: behind. */
  readonly aheadMs: number;
  /** By how much the reading may be wrong either way. */
  readonly uncertaintyMs: number;
}
