import { expect, test } from 'vitest';
import { newDevice, reportOf } from './device.ts';

const link = { kind: 'present', name: 'vnet0', index: 7 } as const;
const facts = { mac: '52:54:00:aa:00:02', networkId: 'n', vmId: 'vm' };

test.each([
  ["the tap's own address", 'fe:54:00:aa:00:02'],
  ["the guest's", '52:54:00:AA:00:02'],
])('what a hypervisor knows of a device is reported where the kernel has %s', (_what, mac) => {
  const device = { ...newDevice('vnet0'), link: { ...link, mac }, facts };
  expect(reportOf(device)).toEqual({ device: 'vnet0', mac: facts.mac, networkId: 'n', vmId: 'vm' });
});

test('what it knew of another device of that name is not', () => {
  const device = { ...newDevice('vnet0'), link: { ...link, mac: 'fe:54:00:bb:00:09' }, facts };
  expect(reportOf(device)).toEqual({ device: 'vnet0', mac: 'fe:54:00:bb:00:09' });
});

test('what the switch and the registry say comes first', () => {
  const told = { ...link, mac: facts.mac, vmId: 'by-ovs' };
  const device = { ...newDevice('vnet0'), link: told, facts, networkId: 'bound' };
  expect(reportOf(device)).toMatchObject({ networkId: 'bound', vmId: 'by-ovs' });
});
