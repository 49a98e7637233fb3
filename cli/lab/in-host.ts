import { enterPlace } from './place.ts';
import type { LabHost } from './record.ts';
import type { Tools } from './run.ts';
import type { LabStore } from './store.ts';

/** Runs a program on a host that is furnished. Rejects as `Tools.run` does. */
export const runInHost = async (
  store: LabStore,
  host: LabHost,
  argv: readonly string[],
  tools: Tools,
  signal: AbortSignal,
): Promise<string> => {
  const [, ...enter] = enterPlace(store, { kind: 'host', host: host.name }, '/');
  return await tools.run('nsenter', [...enter, ...argv], signal);
};
