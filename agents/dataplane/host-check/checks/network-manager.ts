import type { Check } from '../check.ts';
import { judged, PASSED, run, type Finding } from '../finding.ts';
import type { DevicePattern } from '../managers/devices.ts';
import { ownDevices } from '../managers/devices.ts';
import { dropIn, managedDevices } from '../managers/network-manager.ts';
import type { CheckTools } from '../check-tools.ts';

/** Whether NetworkManager is about to manage weft's devices. */
export const networkManager: Check = {
  id: 'network-manager',
  run: async (survey, tools, signal) => {
    const running = await output(tools, ['nmcli', '-t', '-f', 'RUNNING', 'general'], signal);
    if (running?.trim() !== 'running') return PASSED;
    const [config, devices] = await Promise.all([
      output(tools, ['NetworkManager', '--print-config'], signal),
      output(tools, ['nmcli', '-t', '-f', 'DEVICE,STATE', 'device'], signal),
    ]);
    return judged(judgeManager(config ?? '', devices ?? '', ownDevices(survey)));
  },
};

const DROP_IN = '/etc/NetworkManager/conf.d/90-weft.conf';

/** `devices` is what `nmcli -t -f DEVICE,STATE device` prints. */
export const judgeManager = (config: string, devices: string, own: readonly DevicePattern[]): readonly Finding[] => {
  const managed = managedDevices(config, own);
  if (managed.length === 0) return [];
  const names = managed.map(({ pattern }) => pattern).join(', ');
  const begins = managed.map(({ pattern }) => pattern.replace(/\*$/, ''));
  const held = devices
    .split('\n')
    .filter((line) => begins.some((begin) => line.startsWith(begin)) && !/:(?:unmanaged)?$/.test(line));
  return [
    {
      severity: 'warning',
      title: `NetworkManager runs and is not told to leave weft's devices alone: ${names}`,
      evidence: [
        `NetworkManager --print-config: unmanaged-devices does not cover ${names}`,
        ...held.map((line) => `nmcli device: ${line.replace(':', ' is ')}`),
      ],
      remedy: [{ kind: 'write', path: DROP_IN, text: dropIn(own) }, run('nmcli', 'general', 'reload', 'conf')],
      fixable: true,
    },
  ];
};

const output = async (
  { commands }: CheckTools,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> => {
  try {
    const { status, stdout } = await commands.run(argv, signal);
    return status === 0 ? stdout : undefined;
  } catch {
    // Not installed.
    signal.throwIfAborted();
    return undefined;
  }
};
