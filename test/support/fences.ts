/** A fenced block of a Markdown document (CommonMark 4.5), as far as tests care for them. */
export interface Fence {
  /** What stands before the opening mark: a fence of a list or a quotation is not at the first column. */
  readonly indent: string;
  /** The words after the opening mark. */
  readonly info: readonly string[];
  readonly text: string;
  /** Of the opening mark, from 1. */
  readonly line: number;
  /** Of the closing mark; undefined where there is none, and all the rest of the document is in the block. */
  readonly endLine: number | undefined;
  /** Where `text` begins in the document. */
  readonly from: number;
}

/** The fenced blocks of a document, in order. */
export const fencesOf = (markdown: string): readonly Fence[] => {
  const fences: Fence[] = [];
  let open: (Omit<Fence, 'text' | 'endLine'> & { readonly mark: string }) | undefined;
  let at = 0;
  for (const [index, line] of markdown.split('\n').entries()) {
    const [, indent = '', mark = '', info = ''] = /^([\s>]*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === undefined) {
      const from = at + line.length + 1;
      if (mark !== '') open = { indent, info: words(info), line: index + 1, from, mark };
    } else if (mark.startsWith(open.mark) && info.trim() === '') {
      const { mark: _, ...fence } = open;
      fences.push({ ...fence, text: markdown.slice(open.from, at), endLine: index + 1 });
      open = undefined;
    }
    at += line.length + 1;
  }
  if (open === undefined) return fences;
  const { mark: _, ...fence } = open;
  return [...fences, { ...fence, text: markdown.slice(open.from), endLine: undefined }];
};

const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');
