import { createHash } from 'node:crypto';
import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from '#platform/net/brand.ts';
import type { DeviceName, Uuid } from '#platform/net/names.ts';

/** What a libvirt network is called; also a part of a file's name. */
export type LibvirtName = Brand<string, 'LibvirtName'>;

/** What was applied: one name, and where its machines come to be. */
export interface LibvirtSpec {
  readonly name: LibvirtName;
  readonly target: { readonly networkId: Uuid } | { readonly bridge: DeviceName };
  readonly autostart: boolean;
}

/** All that follows from it on this host. */
export interface LibvirtWish {
  readonly name: LibvirtName;
  readonly bridge: string;
  readonly openvswitch: boolean;
  readonly autostart: boolean;
  /** Where libvirt has no such network yet: it lets nobody change it. */
  readonly uuid: string;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Throws `invalid`. Narrower than libvirt, so that every command about it can be pasted into a shell as it is. */
export const parseLibvirtName = (field: string, text: string): LibvirtName => {
  if (NAME.test(text)) return text as LibvirtName;
  throw invalidField(
    field,
    text,
    'is not the name of a libvirt network: 1 to 63 letters, digits, ".", "_" or "-", a letter or digit in front',
  );
};

/** The UUID of a network that is made here: the mesh's network's own, so that every host has the same; else of the name. */
export const uuidOf = ({ name, target }: LibvirtSpec): string => {
  if ('networkId' in target) return target.networkId;
  const digits = createHash('sha256').update(`weft libvirt network ${name}`).digest('hex');
  // Version 8 of RFC 9562: as whoever makes it likes.
  const parts = [digits.slice(0, 8), digits.slice(8, 12), `8${digits.slice(13, 16)}`, `8${digits.slice(17, 20)}`];
  return [...parts, digits.slice(20, 32)].join('-');
};
