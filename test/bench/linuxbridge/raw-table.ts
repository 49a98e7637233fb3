import { writeFile } from 'node:fs/promises';
import { temporaryDirectory } from '../../support/real-servers.ts';
import { inPlace } from '../../system/kernel.ts';
import type { RawTable } from '../dataplane.ts';
import { FAR_VTEP, farEntries } from '../far-entries.ts';
import { timed } from '../figures.ts';

const BRIDGE = 'brqraw';
const DEVICE = 'vxlan-raw';

/**
 * The same rows as weft writes, from files, by iproute2 alone, on a VXLAN device of their own: the FDB rows by
 * `bridge -batch`, then the neighbours by `ip -batch`. `seconds` is the first alone.
 */
export const measureRawBatch = async (lab: string, host: string, count: number): Promise<RawTable> => {
  await using dir = await temporaryDirectory();
  const ip = async (...words: readonly string[]): Promise<string> => inPlace({ lab, host }, ['ip', ...words]);
  await ip('link', 'add', BRIDGE, 'type', 'bridge');
  try {
    const settings = ['id', '16777000', 'dstport', '4790', 'nolearning', 'proxy'];
    await ip('link', 'add', DEVICE, 'type', 'vxlan', ...settings);
    await ip('link', 'set', DEVICE, 'master', BRIDGE, 'up');
    const entries = farEntries(count);
    const batch = async (program: string, file: string, lines: readonly string[]): Promise<number> => {
      const path = `${dir.path}/${file}`;
      await writeFile(path, lines.join('\n'));
      return await timed(async () => inPlace({ lab, host }, [program, '-batch', path], 60_000));
    };
    return {
      seconds: await batch(
        'bridge',
        'fdb',
        entries.map(({ mac }) => `fdb replace ${mac} dev ${DEVICE} dst ${FAR_VTEP} self master static`),
      ),
      neighboursSeconds: await batch(
        'ip',
        'neigh',
        entries.map(({ mac, ip: address }) => `neigh replace ${address} lladdr ${mac} nud permanent dev ${DEVICE}`),
      ),
    };
  } finally {
    await ip('link', 'delete', BRIDGE);
    await ip('link', 'delete', DEVICE).catch(() => undefined);
  }
};
