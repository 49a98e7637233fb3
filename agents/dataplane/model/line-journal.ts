/** Lines of a file that outlive this process the moment they are added, at the cost of a system call. */
export interface LineJournal {
  /** All lines; a last one that was cut off is left out. */
  read(): readonly string[];
  /** Takes the place of all lines. */
  replace(lines: readonly string[]): void;
  add(line: string): void;
}
