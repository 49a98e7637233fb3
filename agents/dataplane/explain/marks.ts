import type { ObjectRef } from './thing.ts';

const ID = String.raw`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`;
const MARK = new RegExp(`^weft:(?<kind>network|port|router|dhcp):(?<id>${ID})$`);
const OVERLAY = /^weft:overlay:(?<id>.+)$/;
const FOLDER = new RegExp(`/(?<kind>dhcp|router)s?/(?<id>${ID})/`);
const NAMESPACE = new RegExp(`^q(?<kind>dhcp|router)-(?<id>${ID})$`);

const object = (groups: Readonly<Record<string, string | undefined>> | undefined): ObjectRef | undefined =>
  groups?.['id'] === undefined ? undefined : { kind: groups['kind'] as ObjectRef['kind'], id: groups['id'] };

/** The object that a link alias names; undefined for one that is no mark of weft's. */
export const objectOfMark = (alias: string | undefined): ObjectRef | undefined => {
  if (alias === undefined) return undefined;
  const overlay = OVERLAY.exec(alias)?.groups?.['id'];
  return overlay === undefined ? object(MARK.exec(alias)?.groups) : { kind: 'overlay', id: overlay };
};

/** The object that a namespace of this name serves. */
export const objectOfNamespace = (name: string): ObjectRef | undefined => object(NAMESPACE.exec(name)?.groups);

/** The object whose files are in a folder of this path. */
export const objectOfPath = (path: string): ObjectRef | undefined => object(FOLDER.exec(path)?.groups);

/** The object that `external_ids` of Open vSwitch name. */
export const objectOfIds = (ids: ReadonlyMap<string, string>): ObjectRef | undefined => {
  const [overlay, port, network] = [ids.get('weft-overlay'), ids.get('weft-port'), ids.get('weft-network')];
  if (overlay !== undefined) return { kind: 'overlay', id: overlay };
  if (port !== undefined && port !== '') return { kind: 'port', id: port };
  if (network !== undefined) return { kind: 'network', id: network };
  return ids.has('weft-host') || ids.has('weft-tunnel') ? { kind: 'host', id: '' } : undefined;
};
