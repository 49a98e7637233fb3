import { labProcesses } from '../../../cli/lab/index.ts';

/** The process of a host's switch. Throws where there is none. */
export const switchPid = (lab: string, host: string): number => {
  const found = labProcesses({ lab, host }).find(({ argv: [program = ''] }) => program.endsWith('/ovs-vswitchd'));
  if (found === undefined) throw new Error(`${host} has no ovs-vswitchd`);
  return found.pid;
};

/** The OpenFlow socket of a host's integration bridge, by a path of this machine. */
export const bridgeSocket = (lab: string, host: string): string =>
  `/proc/${switchPid(lab, host).toString()}/root/run/openvswitch/br-int.mgmt`;
