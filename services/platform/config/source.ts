/** A value as one source gives it, before the schema. */
export interface Given {
  /** Where it was written, for the complaint: `--listen`, `WEFT_LISTEN`, `listen in /etc/weft.yaml`. */
  readonly origin: string;
  readonly value: unknown;
}

/** What one source gives, by the key of the setting. */
export type Source = ReadonlyMap<string, Given>;

/** Takes note of what is wrong with what was written under `name`; `description` is a whole phrase, naming it. */
export type Complain = (name: string, description: string) => void;
