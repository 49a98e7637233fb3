import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** What the event loop is kept alive by, as async_hooks names it. */
const KINDS = new Set([
  'Timeout',
  'TCPSERVERWRAP',
  'TCPWRAP',
  'PIPESERVERWRAP',
  'PIPEWRAP',
  'UDPWRAP',
  'PROCESSWRAP',
  'FSEVENTWRAP',
  'STATWATCHER',
  'WORKER',
]);

interface Resource {
  readonly kind: string;
  readonly handle: { hasRef?(): boolean };
}

const scope = new AsyncLocalStorage<symbol>();

/**
 * `await using _ = leakCheck()` at the top of a test: at its end, throws when timers, sockets, servers, watchers or child
 * processes that were opened within are still there. What others opened meanwhile (the test runner does) is not counted,
 * nor what is unref'd. Closing takes the event loop a moment, so it looks again until `withinMs`.
 */
export const leakCheck = (withinMs = 1_000): AsyncDisposable => {
  const own = Symbol('leak check');
  const open = new Map<number, Resource>();
  const hook = createHook({
    init: (id, kind, _, handle) => {
      if (KINDS.has(kind) && scope.getStore() === own) open.set(id, { kind, handle });
    },
    destroy: (id) => {
      open.delete(id);
    },
  });
  scope.enterWith(own);
  hook.enable();
  return {
    [Symbol.asyncDispose]: async () => {
      const end = performance.now() + withinMs;
      // setImmediate, since a timer would be counted.
      while (held(open).length > 0 && performance.now() < end) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      hook.disable();
      const leaked = held(open);
      if (leaked.length > 0) throw new Error(`left open: ${leaked.join(', ')}`);
    },
  };
};

const held = (open: ReadonlyMap<number, Resource>): readonly string[] =>
  [...open.values()].filter(({ handle }) => handle.hasRef?.() !== false).map(({ kind }) => kind);
