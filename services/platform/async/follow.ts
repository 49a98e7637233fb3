/** A signal that lasts as long as its scope; disposing unlinks it from its parents and aborts nothing. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  /** Aborts this signal alone. */
  abort(reason?: unknown): void;
}

/**
 * A signal that aborts with the first of `parents` to abort, and with its reason:
 * `using linked = follow(callSignal, serverSignal)`. `AbortSignal.any` is not used because a long-lived parent keeps what
 * it made until it aborts itself.
 */
export const follow = (...parents: readonly AbortSignal[]): LinkedSignal => {
  const controller = new AbortController();
  const links: { readonly parent: AbortSignal; readonly onAbort: () => void }[] = [];
  for (const parent of parents) {
    if (parent.aborted) {
      controller.abort(parent.reason);
      break;
    }
    const onAbort = (): void => {
      controller.abort(parent.reason);
    };
    parent.addEventListener('abort', onAbort, { once: true });
    links.push({ parent, onAbort });
  }
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
    [Symbol.dispose]: () => {
      for (const { parent, onAbort } of links) parent.removeEventListener('abort', onAbort);
    },
  };
};
