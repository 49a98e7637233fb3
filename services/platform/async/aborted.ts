/** Rejects with the signal's reason once it aborts, also when it had aborted before; disposing unlinks it. */
export const aborted = (signal: AbortSignal): Disposable & { readonly promise: Promise<never> } => {
  const { promise, reject } = Promise.withResolvers<never>();
  // Whoever races it may have finished first: its rejection then is nobody's.
  promise.catch(() => undefined);
  const onAbort = (): void => {
    reject(signal.reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    promise,
    [Symbol.dispose]: () => {
      signal.removeEventListener('abort', onAbort);
    },
  };
};
