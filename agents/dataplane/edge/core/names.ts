import type { EdgeKind } from './model.ts';

const PREFIX: Readonly<Record<EdgeKind, string>> = { dhcp: 'qdhcp-', router: 'qrouter-' };
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The namespace of a network's DHCP or of a router, as Neutron names it. */
export const namespaceName = (kind: EdgeKind, id: string): string => `${PREFIX[kind]}${id}`;

/** Whose namespace one of this name would be; undefined for names of others. */
export const idOfNamespace = (kind: EdgeKind, name: string): string | undefined => {
  const id = name.startsWith(PREFIX[kind]) ? name.slice(PREFIX[kind].length) : '';
  return ID.test(id) ? id : undefined;
};

/** The link alias of `lo` and of our veth ends in a namespace that the agent made: how a fresh agent knows it is ours. */
export const edgeMark = (kind: EdgeKind, id: string): string => `weft:${kind}:${id}`;

/** A device of a port inside a namespace. */
export const insideName = (prefix: 'ns-' | 'qr-' | 'qg-', portId: string): string => `${prefix}${portId.slice(0, 11)}`;
