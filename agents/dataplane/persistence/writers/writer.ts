import type { Persistent } from '../model/devices.ts';

/** How persistent configuration is written. */
export type PersistenceFormat = 'networkmanager' | 'ifcfg' | 'networkd';

/** A file as it is to be. */
export interface ConfigText {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly text: string;
}

/** A device that a format has no words for, and who keeps it instead. */
export interface LeftOut {
  readonly device: string;
  readonly reason: string;
}

/** What one owner's devices come to in one format. */
export interface Rendered {
  readonly files: readonly ConfigText[];
  /** What a person would type to the same end; for people, never run. */
  readonly commands: readonly (readonly string[])[];
  readonly leftOut: readonly LeftOut[];
}

/** One setting of a file: files that hold the same settings mean the same. */
export interface Setting {
  /** `[section]` of the file, empty where the format has none. */
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** One way to write persistent configuration. All of it is pure. */
export interface PersistenceWriter {
  readonly format: PersistenceFormat;
  /** Where its files are. */
  readonly directory: string;
  /** Same devices, same files. */
  render(persistent: Persistent): Rendered;
  /** Whether a file of the directory is one that the format reads. */
  reads(name: string): boolean;
  /** What a file says, by the rules of the format; comments and what only the format's own tools add are left out. */
  readBack(text: string): readonly Setting[];
  /** The devices that a file is about, whoever wrote it: names, and MAC addresses in lower case. */
  devicesOf(name: string, text: string): readonly string[];
}
