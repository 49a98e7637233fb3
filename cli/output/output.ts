import { table } from './table.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
}

/** Where a command writes: tables for people, JSON for programs; progress goes to standard error. */
export class Output {
  readonly #json: boolean;
  readonly #out: NodeJS.WritableStream;
  readonly #err: NodeJS.WritableStream & { readonly isTTY?: boolean };

  constructor(json: boolean, out: NodeJS.WritableStream, err: NodeJS.WritableStream & { readonly isTTY?: boolean }) {
    this.#json = json;
    this.#out = out;
    this.#err = err;
  }

  get json(): boolean {
    return this.#json;
  }

  /** A list: a table, or a JSON array of the objects as the API has them. */
  rows<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (this.#json) this.#write(JSON.stringify(rows, undefined, 2));
    else if (rows.length === 0) this.note('none');
    else
      this.#write(
        table(
          columns.map(({ title }) => title),
          rows.map((row) => columns.map(({ value }) => value(row))),
        ),
      );
  }

  /** One object: field by field, or JSON. */
  object(value: object): void {
    if (this.#json) {
      this.#write(JSON.stringify(value, undefined, 2));
      return;
    }
    const fields = Object.entries(value).filter(([, field]) => field !== undefined && field !== '');
    const width = Math.max(...fields.map(([name]) => name.length)) + 2;
    for (const [name, field] of fields) this.#write(name.padEnd(width) + shown(field));
  }

  /** For people only; nothing in JSON. */
  text(line: string): void {
    if (!this.#json) this.#write(line);
  }

  /** For programs only. */
  data(value: unknown): void {
    if (this.#json) this.#write(JSON.stringify(value, undefined, 2));
  }

  /** On standard error, whatever the format: what goes on while something takes its time. */
  note(line: string): void {
    this.#err.write(`${line}\n`);
  }

  #write(text: string): void {
    this.#out.write(`${text}\n`);
  }
}

const shown = (field: unknown): string => (typeof field === 'string' ? field : JSON.stringify(field));
