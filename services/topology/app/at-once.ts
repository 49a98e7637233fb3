import { DomainError } from '#platform/errors/domain-error.ts';

const AT_ONCE = 16;

/** All of `items`, some at a time. What the first failure throws is thrown once none runs any more. */
export const atOnce = async <T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> => {
  const rest = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  const failed = lanes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return;
  throw failed.reason instanceof Error
    ? failed.reason
    : new DomainError('internal', 'WORK_FAILED', String(failed.reason));
};
