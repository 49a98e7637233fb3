import { invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from '#platform/net/brand.ts';

/** The name of a lab: 1 to 12 of `a-z0-9-`, a letter or digit at both ends. */
export type LabName = Brand<string, 'LabName'>;
/** The name of a lab's host: as a lab's, and none of `underlay`, `control`, `gateway` and `vm-…`, which are namespaces of their own. */
export type LabHostName = Brand<string, 'LabHostName'>;
/** The name of a guest: 1 to 40 of `a-z0-9-`, a letter or digit at both ends. */
export type GuestName = Brand<string, 'GuestName'>;
/** The name of a process within its place: 1 to 24 of `a-z0-9-`, a letter or digit at both ends. */
export type ProcessName = Brand<string, 'ProcessName'>;
/** The name of a network namespace of a lab, as `ip netns` lists it. */
export type NamespaceName = Brand<string, 'NamespaceName'>;

/** The name of a lab where none is given. */
export const DEFAULT_LAB = 'lab';

const WORD = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

const checkWord = (field: string, text: string, most: number, what: string): void => {
  if (text.length > most || !WORD.test(text)) {
    throw invalidField(
      field,
      text,
      `is not the name of ${what}: 1 to ${most.toString()} of a-z, 0-9 and "-", a letter or digit at both ends`,
    );
  }
};

/** Throws `invalid` for what is not a `LabName`. */
export const parseLabName = (field: string, text: string): LabName => {
  checkWord(field, text, 12, 'a lab');
  return text as LabName;
};

/** Throws `invalid` for what is not a `LabHostName`. */
export const parseLabHostName = (field: string, text: string): LabHostName => {
  checkWord(field, text, 12, 'a lab host');
  if (text === 'underlay' || text === 'control' || text === 'gateway' || text.startsWith('vm-')) {
    throw invalidField(field, text, 'is a name that the lab uses itself ("underlay", "control", "gateway", "vm-...")');
  }
  return text as LabHostName;
};

/** Throws `invalid` for what is not a `GuestName`. */
export const parseGuestName = (field: string, text: string): GuestName => {
  checkWord(field, text, 40, 'a guest');
  return text as GuestName;
};

/** Throws `invalid` for what is not a `ProcessName`. */
export const parseProcessName = (field: string, text: string): ProcessName => {
  checkWord(field, text, 24, 'a process');
  return text as ProcessName;
};

/** What every namespace of a lab begins with; another lab's may too (`a` and `a-b`), so it is a hint and no proof. */
export const namespacePrefix = (lab: LabName): string => `weft-${lab}-`;

/** The namespace with the bridges of the underlay and of the management network. */
export const underlayNamespace = (lab: LabName): NamespaceName => `${namespacePrefix(lab)}underlay` as NamespaceName;

/** The namespace of the control plane's processes. */
export const controlNamespace = (lab: LabName): NamespaceName => `${namespacePrefix(lab)}control` as NamespaceName;

/** The namespace of the gateway on the provider's wire. */
export const gatewayNamespace = (lab: LabName): NamespaceName => `${namespacePrefix(lab)}gateway` as NamespaceName;

/** The network namespace of a host. */
export const hostNamespace = (lab: LabName, host: LabHostName): NamespaceName =>
  `${namespacePrefix(lab)}${host}` as NamespaceName;

/** The namespace of a guest. */
export const guestNamespace = (lab: LabName, guest: GuestName): NamespaceName =>
  `${namespacePrefix(lab)}vm-${guest}` as NamespaceName;

/** Stands in the environment of all that a lab starts, with the lab's id, so that it is found wherever it is. */
export const LAB_MARK = 'WEFTLAB_ID';
