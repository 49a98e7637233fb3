import { kernelTables } from '../../system/kernel.ts';
import type { BenchDataplane } from '../dataplane.ts';
import { KernelObserver } from './observer.ts';
import { measureRawBatch } from './raw-table.ts';

/** Linux bridges: looked at by iproute2, held against `bridge -batch` and `ip -batch`. */
export const linuxbridge: BenchDataplane = {
  driver: 'linuxbridge',
  measureFloor: async () => Promise.resolve({}),
  observe: async (lab, network) => KernelObserver.open(lab, network),
  measureRawTable: async (lab, host, count) => measureRawBatch(lab.name, host, count),
  remoteTable: async (lab, host, network) => {
    const { fdb, neighbours } = await kernelTables(lab.name, host, `vxlan-${network.segmentation_id.toString()}`);
    return { macs: fdb.size, addresses: neighbours.size };
  },
  memory: async () => Promise.resolve({}),
};
