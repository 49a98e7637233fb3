import type { ConfigText, PersistenceWriter, Setting } from './writers/writer.ts';

/** A file as it is on the host. */
export interface FoundFile {
  readonly text: string;
  readonly mode: number;
  readonly uid: number;
}

/** In what a file is not as it should be, one phrase each; none when it means the same. */
export const fileDrift = (
  wanted: ConfigText,
  found: FoundFile | undefined,
  writer: Pick<PersistenceWriter, 'readBack'>,
): readonly string[] => {
  if (found === undefined) return ['is missing'];
  const drift: string[] = [];
  if (found.mode !== wanted.mode) drift.push(`has mode ${octal(found.mode)}, not ${octal(wanted.mode)}`);
  if (found.uid !== 0) drift.push(`belongs to user ${found.uid.toString()}, not to root`);
  const [should, is] = [writer.readBack(wanted.text), writer.readBack(found.text)];
  drift.push(...without(should, is).map((each) => `lacks ${shown(each)}`));
  drift.push(...without(is, should).map((each) => `has ${shown(each)}`));
  return drift;
};

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

const shown = ({ section, key, value }: Setting): string => `${section === '' ? '' : `[${section}] `}${key}=${value}`;

/** Those of the first list that the second has not, each counted. */
const without = (settings: readonly Setting[], others: readonly Setting[]): readonly Setting[] => {
  const left = others.map(shown);
  return settings.filter((setting) => {
    const at = left.indexOf(shown(setting));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
};
