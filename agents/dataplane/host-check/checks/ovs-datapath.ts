import type { Check } from '../check.ts';
import { judged, PASSED, run, skipped, type Finding } from '../finding.ts';
import type { Survey, SwitchFacts } from '../survey.ts';

/** Which datapath the tunnels are in, and whether it can send them. */
export const ovsDatapath: Check = {
  id: 'ovs-datapath',
  run: async (survey) =>
    Promise.resolve(
      !survey.needsOvs
        ? skipped('nothing here uses Open vSwitch')
        : survey.ovs === undefined
          ? skipped('Open vSwitch does not answer')
          : survey.kernelTunnels
            ? PASSED
            : judged(judgeUserspace(survey, survey.ovs)),
    ),
};

/** The userspace datapath sends tunnels by ports of its own only: the underlay's device, and the address, must be in a bridge. */
export const judgeUserspace = (
  { underlay }: Pick<Survey, 'underlay'>,
  { ports, bridges, datapathTypes }: SwitchFacts,
): readonly Finding[] => {
  const outside = underlay.filter((device) => {
    const bridge = ports.get(device)?.bridge;
    return bridge === undefined || bridges.get(bridge)?.datapathType !== 'netdev';
  });
  const offered = `ovs-vswitchd offers the datapaths ${datapathTypes.join(', ')}`;
  if (outside.length > 0) {
    return outside.map((device) => ({
      severity: 'error',
      title: `Open vSwitch' userspace datapath cannot send tunnels by ${device}: it is no port of its bridges`,
      evidence: [offered, `${device} is of the underlay, and in no bridge with datapath_type=netdev`],
      remedy: [
        run('ovs-vsctl', 'add-br', 'br-underlay', '--', 'set', 'Bridge', 'br-underlay', 'datapath_type=netdev'),
        run('ovs-vsctl', 'add-port', 'br-underlay', device),
      ],
    }));
  }
  if (datapathTypes.includes('system')) {
    const title = "tunnels are in Open vSwitch' userspace datapath, though the kernel has one: it costs throughput";
    return [{ severity: 'warning', title, evidence: [offered], remedy: [] }];
  }
  const title =
    "tunnels are in Open vSwitch' userspace datapath: it costs throughput, and every guest's checksums must be whole";
  return [{ severity: 'notice', title, evidence: [offered], remedy: [run('modprobe', 'openvswitch')] }];
};
