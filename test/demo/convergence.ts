import { sleep } from '#platform/async/sleep.ts';
import type { LabWeft } from '../system/lab-weft.ts';

/** How long a port took, by its trace: from the tap's detection to the end of the last host's step. */
export const convergenceOf = async (
  lab: LabWeft,
  portId: string,
): Promise<{ readonly ms: number; readonly hosts: number }> => {
  const traces = await lab.connections.trace();
  // Spans leave their process a moment after they end.
  for (let attempt = 0; ; attempt += 1) {
    const found = await traces.listTraces({ object_kind: 'port', object_id: portId, page_size: 20 });
    for (const { spans } of found.traces) {
      const root = spans.find(({ name }) => name === 'agent.port-up');
      const applied = spans.filter(({ name }) => name === 'agent.apply');
      const hosts = new Set(applied.map(({ host_id }) => host_id));
      if (root === undefined || hosts.size < lab.hosts.length) continue;
      const end = applied.reduce(
        (latest, { end_unix_nano }) => (BigInt(end_unix_nano) > latest ? BigInt(end_unix_nano) : latest),
        0n,
      );
      return { ms: Number(end - BigInt(root.start_unix_nano)) / 1e6, hosts: hosts.size };
    }
    if (attempt >= 50) throw new Error(`no complete trace of port ${portId}`);
    await sleep(100, AbortSignal.timeout(5_000));
  }
};
