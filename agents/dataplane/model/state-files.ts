/** Named files of one directory; writes replace a file whole or not at all, appends keep their order per file. */
export interface StateFiles {
  list(): Promise<readonly string[]>;
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string): Promise<void>;
  append(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}
