import { DomainError } from '#platform/errors/domain-error.ts';
import type { Transaction } from '#platform/store/store.ts';
import type { Environment } from './environment.ts';

/** Takes a name that only one may have, in the caller's commit. Throws `exists` with `reason` when another has it. */
export const reserve = async (
  { records }: Environment,
  tx: Transaction,
  name: string,
  holder: string,
  refusal: { readonly reason: string; readonly message: (holder: string) => string },
): Promise<void> => {
  const taken = await tx.get(records.reservations, name);
  if (taken === undefined) {
    tx.put(records.reservations, name, { holder }, 'absent');
    return;
  }
  if (taken.value.holder === holder) return;
  throw new DomainError('exists', refusal.reason, refusal.message(taken.value.holder), {
    details: { holder: taken.value.holder },
  });
};

/** Gives a name back, if `holder` has it. */
export const unreserve = async (
  { records }: Environment,
  tx: Transaction,
  name: string,
  holder: string,
): Promise<void> => {
  const taken = await tx.get(records.reservations, name);
  if (taken?.value.holder === holder) tx.delete(records.reservations, name, taken.version);
};
