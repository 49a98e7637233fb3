import { table } from './table.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
}

/** How values are written for programs. */
export type Print = (value: unknown) => string;

/** As `-o json` writes. */
export const printJson: Print = (value) => JSON.stringify(value, undefined, 2);

/** Where a command writes: tables for people, JSON or YAML for programs; progress goes to standard error. */
export class Output {
  readonly #print: Print | undefined;
  readonly #out: NodeJS.WritableStream;
  readonly #err: NodeJS.WritableStream & { readonly isTTY?: boolean };

  /** Without `print`: for people. */
  constructor(
    print: Print | undefined,
    out: NodeJS.WritableStream,
    err: NodeJS.WritableStream & { readonly isTTY?: boolean },
  ) {
    this.#print = print;
    this.#out = out;
    this.#err = err;
  }

  /** Whether what is written is for programs. */
  get machine(): boolean {
    return this.#print !== undefined;
  }

  /** How wide the terminal is that is written to; undefined for what is no terminal. */
  get columns(): number | undefined {
    const { isTTY, columns } = this.#out as Partial<NodeJS.WriteStream>;
    return isTTY === true ? (columns ?? 80) : undefined;
  }

  /** A list: a table, or an array of the objects as the API has them. */
  rows<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (this.#print !== undefined) this.#write(this.#print(rows));
    else if (rows.length === 0) this.note('none');
    else
      this.#write(
        table(
          columns.map(({ title }) => title),
          rows.map((row) => columns.map(({ value }) => value(row))),
        ),
      );
  }

  /** One object: field by field, or as the API has it. */
  object(value: object): void {
    if (this.#print !== undefined) {
      this.#write(this.#print(value));
      return;
    }
    const fields = Object.entries(value).filter(([, field]) => field !== undefined && field !== '');
    const width = Math.max(...fields.map(([name]) => name.length)) + 2;
    for (const [name, field] of fields) this.#write(name.padEnd(width) + shown(field));
  }

  /** For people only. */
  text(line: string): void {
    if (!this.machine) this.#write(line);
  }

  /** For programs only. */
  data(value: unknown): void {
    if (this.#print !== undefined) this.#write(this.#print(value));
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
