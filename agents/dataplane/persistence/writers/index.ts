import { ifcfg } from './ifcfg.ts';
import { networkd } from './networkd.ts';
import { networkManager } from './networkmanager.ts';
import type { PersistenceFormat, PersistenceWriter } from './writer.ts';

/** The writers, by format. */
export const WRITERS: Readonly<Record<PersistenceFormat, PersistenceWriter>> = {
  networkmanager: networkManager,
  ifcfg,
  networkd,
};
