import { switchTables } from '../../system/switch-tables.ts';
import type { BenchDataplane } from '../dataplane.ts';
import { rssMb } from '../memory.ts';
import { measureSwitchFloor } from './floor.ts';
import { SwitchObserver } from './observer.ts';
import { measureRawBundle } from './raw-table.ts';
import { switchPid } from './switch.ts';

/** Open vSwitch: looked at by a flow monitor, held against `ovs-ofctl --bundle add-flows`. */
export const ovs: BenchDataplane = {
  driver: 'ovs',
  measureFloor: async () => ({ ...(await measureSwitchFloor()) }),
  observe: async (lab, network) => SwitchObserver.open(lab, network),
  measureRawTable: async (lab, host, count) => measureRawBundle(lab.name, host, count),
  remoteTable: async (lab, host, network) => {
    const { fdb, neighbours } = await switchTables(lab.name, host, network.segmentation_id);
    return { macs: fdb.size, addresses: neighbours.size };
  },
  memory: async (lab, host) => ({ vswitchd: await rssMb(switchPid(lab.name, host)) }),
};
