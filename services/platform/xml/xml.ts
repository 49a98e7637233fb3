import { DOMImplementation, DOMParser, Node, onWarningStopParsing, XMLSerializer } from '@xmldom/xmldom';
import type { Document, Element } from '@xmldom/xmldom';
import { DomainError } from '../errors/domain-error.ts';

/** An element of XML as a value. Comments and processing instructions are not part of it. */
export interface XmlElement {
  /** With its prefix, where it has one. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (XmlElement | string)[];
}

/** An element; what is `undefined` among its attributes and children is left out. */
export const element = (
  name: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  ...children: readonly (XmlElement | string | undefined)[]
): XmlElement => ({
  name,
  attributes: Object.fromEntries(
    Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  ),
  children: children.flatMap((child) => (child === undefined || child === '' ? [] : [child])),
});

/** Reads a document; white space between elements is dropped. Throws `internal` NOT_XML, naming `what`. */
export const parseXml = (what: string, text: string): XmlElement => {
  try {
    const document = new DOMParser({ onError: onWarningStopParsing }).parseFromString(text, 'text/xml');
    if (document.documentElement === null) throw new Error('it has no element');
    return fromDom(document.documentElement);
  } catch (cause) {
    const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
    throw new DomainError('internal', 'NOT_XML', `${what}: ${JSON.stringify(shown)} is not XML`, { cause });
  }
};

/** The text of a document. Throws `internal` for what XML cannot hold, such as a name with a space. */
export const printXml = (root: XmlElement): string => {
  const document = new DOMImplementation().createDocument(null, '', null);
  document.appendChild(toDom(document, root));
  return new XMLSerializer().serializeToString(document, { requireWellFormed: true });
};

/** The first child element of a name, or of the name at the end of a path of children. */
export const childOf = (parent: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined =>
  path.reduce<XmlElement | undefined>((at, name) => (at === undefined ? undefined : childrenOf(at, name)[0]), parent);

/** All child elements of a name. */
export const childrenOf = (parent: XmlElement, name: string): readonly XmlElement[] =>
  parent.children.filter((child): child is XmlElement => typeof child !== 'string' && child.name === name);

/** The text of an element, trimmed; empty where there is none. */
export const textOf = (of: XmlElement | undefined): string =>
  (of?.children ?? [])
    .filter((child) => typeof child === 'string')
    .join('')
    .trim();

const fromDom = (node: Element): XmlElement => ({
  name: node.tagName,
  attributes: Object.fromEntries([...node.attributes].map(({ name, value }) => [name, value])),
  children: [...node.childNodes].flatMap((child): readonly (XmlElement | string)[] => {
    if (child.nodeType === Node.ELEMENT_NODE) return [fromDom(child as Element)];
    if (child.nodeType !== Node.TEXT_NODE && child.nodeType !== Node.CDATA_SECTION_NODE) return [];
    const text = child.nodeValue ?? '';
    return text.trim() === '' ? [] : [text];
  }),
});

const toDom = (document: Document, { name, attributes, children }: XmlElement): Element => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const child of children) {
    made.appendChild(typeof child === 'string' ? document.createTextNode(child) : toDom(document, child));
  }
  return made;
};
