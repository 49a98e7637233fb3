/**
 * An agent is a guest on its host: a small young generation costs it little and saves tens of megabytes, and garbage that the
 * main thread collects alone waits for no other thread to get its turn on a busy machine. For the same reason it compiles only
 * what is called thousands of times, ten times V8's own measure: what an agent does for a port it does seldom, compiling it
 * takes longer than all that it saves, and no priority keeps a compiler off a machine whose other processes are in sessions or
 * control groups of their own (sched(7), "The autogroup feature"). A long loop is compiled as ever.
 */
export const AGENT_FLAGS = [
  '--max-semi-space-size=2',
  '--single-threaded-gc',
  '--invocation-count-for-maglev=4000',
  '--invocation-count-for-turbofan=30000',
] as const;

/**
 * Of a service, all callers wait while the young generation is collected: one that grows as it likes takes tens of
 * milliseconds, this one a few.
 */
export const SERVICE_FLAGS = ['--max-semi-space-size=8'] as const;
