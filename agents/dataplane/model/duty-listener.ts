/** Who does duties of one kind. Calls never wait, and never throw. */
export interface DutyListener<Duty> {
  /** All duties there are; those that this host remembers are not complete: nothing ends by not being among them. */
  replace(duties: readonly Duty[], isComplete: boolean): void;
  /** One that is new or changed. */
  set(duty: Duty): void;
  /** One that ended, by its id and the generation that ended it. */
  ended(id: string, generation: number): void;
}
