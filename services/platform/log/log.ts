/** What a line is about, by name (`host`, `revision`, `vni`); an error goes under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * Where a part of the process says what it decided. The message is constant, what varies is in the fields. Never throws;
 * does not wait.
 */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** The same log with `fields` in each line. */
  child(fields: LogFields): Log;
}

const nothing = (): void => undefined;

/** Says nothing. */
export const nullLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => nullLog,
};
