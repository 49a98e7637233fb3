import { existsSync, readFileSync } from 'node:fs';
import { attempt } from './attempt.ts';
import { guestNamespace } from './names.ts';
import { holderOf } from './place.ts';
import { namespaceInode, processArguments } from './proc.ts';
import type { GuestPort, GuestRecord } from './record.ts';
import type { LabStore } from './store.ts';

/** A guest as it is now. */
export interface Guest {
  readonly name: string;
  readonly host: string;
  /** Only while a move is under way, or was cut short. */
  readonly movingTo?: string;
  /** Its device on the host. */
  readonly tap: string;
  readonly port: GuestPort;
  /** Whether its namespace is there, or qemu runs. */
  readonly alive: boolean;
  /** The file of its name servers, where it asked for its address. */
  readonly resolvConf?: string;
  /** A virtual machine of the host's libvirt. */
  readonly isMachine: boolean;
}

/** A guest's record as callers see it. */
export const shown = (store: LabStore, record: GuestRecord): Guest => ({
  name: record.name,
  host: record.host,
  ...(record.movingTo === undefined ? {} : { movingTo: record.movingTo }),
  tap: record.tap,
  port: record.port,
  ...(existsSync(store.resolvPath(record.name)) ? { resolvConf: store.resolvPath(record.name) } : {}),
  alive:
    record.kind === 'machine'
      ? attempt(() => isMachineAlive(store, record), false)
      : namespaceInode(guestNamespace(store.name, record.name)) !== undefined,
  isMachine: record.kind === 'machine',
});

/** qemu's file of its process stays behind when that is killed. */
const isMachineAlive = (store: LabStore, { host, name }: GuestRecord): boolean => {
  const root = `/proc/${holderOf(store, host).pid.toString()}/root`;
  const pid = Number(readFileSync(`${root}/run/libvirt/qemu/${name}.pid`, 'utf8'));
  return processArguments(pid).some((word) => word.startsWith(`guest=${name},`));
};
