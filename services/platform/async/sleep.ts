import { aborted } from './aborted.ts';

/** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
export const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted();
  using abort = aborted(signal);
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([
      abort.promise,
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
};
