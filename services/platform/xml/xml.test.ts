import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { childOf, childrenOf, element, parseXml, printXml, textOf } from './xml.ts';
import type { XmlElement } from './xml.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/).filter((word) => !word.startsWith('xml'));
// Control characters are none in XML, and a line's end is read as a line feed (XML 1.0, 2.11). U+FFFD is refused: it stands
// where somebody read bytes in the wrong encoding.
const text = fc
  .string({ minLength: 1, unit: 'grapheme' })
  .filter((value) => !/[\p{Cc}\u2028\u2029\uFFFD\uFFFE\uFFFF]/u.test(value) && value.trim() !== '');
const tree = fc.letrec<{ node: XmlElement }>((tie) => ({
  node: fc.record({
    name,
    attributes: fc.dictionary(name, text, { maxKeys: 3, noNullPrototype: true }),
    // Two texts side by side are one.
    children: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.array(text, { maxLength: 1 }),
      fc.array(tie('node'), { maxLength: 3 }),
    ),
  }),
})).node;

describe('XML as values', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(tree, (made) => {
        expect(parseXml('test', printXml(made))).toEqual(made);
      }),
    );
  });

  test('values cannot become markup', () => {
    const hostile = "\"/><interface type='bridge'/>&amp;<!--";
    const made = element('name', { id: hostile }, hostile);
    expect(parseXml('test', printXml(made))).toEqual(made);
    expect(() => printXml(element('no name'))).toThrow();
  });

  test('is searched by path', () => {
    const domain = parseXml(
      'domain',
      '<domain>\n <devices><disk/><interface n="1"/><interface n="2"/></devices></domain>',
    );
    expect(
      childrenOf(childOf(domain, 'devices') ?? domain, 'interface').map(({ attributes }) => attributes['n']),
    ).toEqual(['1', '2']);
    expect(childOf(domain, 'devices', 'cdrom', 'source')).toBeUndefined();
    expect(textOf(parseXml('name', '<name> vm1 </name>'))).toBe('vm1');
    expect(textOf(undefined)).toBe('');
  });

  test('what is none is refused, and entities of a document type are not followed', () => {
    for (const bad of ['', 'no xml', '<a>', '<a></b>', '<a b=c/>', '<a/><b/>']) {
      expect(() => parseXml('virsh net-dumpxml', bad)).toThrow('virsh net-dumpxml');
    }
    const file = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>';
    expect(() => parseXml('test', file)).toThrow('is not XML');
  });
});
