import type { NamespaceName } from './names.ts';
import type { Tools } from './run.ts';
import { toolPath } from './tools.ts';

/**
 * Lets the kernel finish the checksums of what leaves by a device, and with that cut large segments, which a veth pair would
 * hand on undone. Open vSwitch's userspace datapath passes frames on as they are, and puts no mark on them by which the next
 * kernel would know: ping works then, and TCP does not.
 */
export const finishChecksums = async (
  tools: Tools,
  namespace: NamespaceName,
  device: string,
  signal: AbortSignal,
): Promise<void> => {
  const argv = [toolPath('ethtool'), '--features', device, 'tx', 'off'];
  await tools.run('nsenter', [`--net=/run/netns/${namespace}`, '--', ...argv], signal);
};
