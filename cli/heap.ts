/**
 * An agent is a guest on its host: a small young generation costs it little and saves tens of megabytes, and garbage that the
 * main thread collects alone waits for no other thread to get its turn on a busy machine.
 */
export const AGENT_HEAP = ['--max-semi-space-size=2', '--single-threaded-gc'] as const;

/**
 * Of a service, all callers wait while the young generation is collected: one that grows as it likes takes tens of
 * milliseconds, this one a few.
 */
export const SERVICE_HEAP = ['--max-semi-space-size=8'] as const;
