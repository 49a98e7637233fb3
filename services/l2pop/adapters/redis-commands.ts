import type { Redis, Result } from 'ioredis';
import { APPLY_SCRIPT } from './apply-script.ts';
import { ACKNOWLEDGE_SCRIPT, REPORT_SCRIPT } from './host-scripts.ts';
import { MEND_SCRIPT, RETIRE_SCRIPT, REVIVE_SCRIPT } from './network-scripts.ts';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    l2popApply(...keysAndArguments: readonly string[]): Result<unknown, Context>;
    l2popAcknowledge(...keysAndArguments: readonly string[]): Result<unknown, Context>;
    l2popReport(...keysAndArguments: readonly string[]): Result<unknown, Context>;
    l2popRetire(...keysAndArguments: readonly string[]): Result<unknown, Context>;
    l2popRevive(...keysAndArguments: readonly string[]): Result<unknown, Context>;
    l2popMend(...keysAndArguments: readonly string[]): Result<unknown, Context>;
  }
}

const SCRIPTS = {
  l2popApply: { lua: APPLY_SCRIPT, numberOfKeys: 7 },
  l2popAcknowledge: { lua: ACKNOWLEDGE_SCRIPT, numberOfKeys: 3 },
  l2popReport: { lua: REPORT_SCRIPT, numberOfKeys: 4 },
  l2popRetire: { lua: RETIRE_SCRIPT, numberOfKeys: 7 },
  l2popRevive: { lua: REVIVE_SCRIPT, numberOfKeys: 7 },
  l2popMend: { lua: MEND_SCRIPT, numberOfKeys: 4 },
} as const;

const defined = new WeakSet<Redis>();

/** The client with this service's scripts as commands. */
export const withScripts = (client: Redis): Redis => {
  if (!defined.has(client)) {
    for (const [name, definition] of Object.entries(SCRIPTS)) client.defineCommand(name, definition);
    defined.add(client);
  }
  return client;
};
