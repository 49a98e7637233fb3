import { inPlace } from '../../system/kernel.ts';

const VOLATILE = /\b(?:used|probes|rt_timer|stats|expires|ageing|gc|hello|tcn|topology_change_timer|timer|ref) \S+/;

/** A host's devices with their masters and MTUs, its FDB, its permanent neighbours: sorted lines that do not change by themselves. */
export const hostKernel = async (lab: string, host: string): Promise<readonly string[]> => {
  const at = { lab, host };
  const [links, fdb, neighbours] = await Promise.all([
    inPlace(at, ['ip', '-o', 'link', 'show']),
    inPlace(at, ['bridge', 'fdb', 'show']),
    inPlace(at, ['ip', 'neigh', 'show', 'nud', 'permanent']),
  ]);
  const lines = (text: string): readonly string[] =>
    text
      .split('\n')
      .map((line) => line.replace(VOLATILE, '').trim())
      .filter((line) => line !== '');
  return [...lines(links), ...lines(fdb), ...lines(neighbours)].toSorted();
};
