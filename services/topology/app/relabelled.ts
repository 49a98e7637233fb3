import { DomainError } from '#platform/errors/domain-error.ts';

/** Runs `call`; violations of the field `from`, or of fields below it, are told as of `to`. */
export const relabelled = async <T>(from: string, to: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (thrown) {
    if (!(thrown instanceof DomainError) || thrown.violations.length === 0) throw thrown;
    const { code, reason, message, details } = thrown;
    const violations = thrown.violations.map(({ field, description }) => ({
      field: field === from || field.startsWith(`${from}.`) ? `${to}${field.slice(from.length)}` : field,
      description,
    }));
    throw new DomainError(code, reason, message, { details, violations, cause: thrown });
  }
};
