import { expect, test } from 'vitest';
import { judgePorts, parseSockets } from './udp-port-taken.ts';

// ss of iproute2 6.1: a program's socket, the kernel's, and one of IPv6.
const SAID = `UNCONN 0      0      0.0.0.0:8472 0.0.0.0:* users:(("nc",pid=7064,fd=3))
UNCONN 0      0      0.0.0.0:4789 0.0.0.0:*
UNCONN 0      0         [::1]:323     [::]:* users:(("chronyd",pid=9,fd=6),("chronyd",pid=10,fd=6))
`;

const titles = (
  ports: readonly number[],
  driver: 'linuxbridge' | 'ovs',
  ...devices: Parameters<typeof judgePorts>[2]
) => judgePorts({ udpPorts: ports, driver }, parseSockets(SAID), devices).map(({ title }) => title);

test('reads who has which port', () => {
  expect(parseSockets(SAID)).toEqual([
    { local: '0.0.0.0:8472', port: 8472, process: { name: 'nc', pid: 7064 } },
    { local: '0.0.0.0:4789', port: 4789 },
    { local: '[::1]:323', port: 323, process: { name: 'chronyd', pid: 9 } },
  ]);
  expect(parseSockets('')).toEqual([]);
});

test("the kernel's socket is that of a VXLAN device, a program's is somebody else's", () => {
  const device = { name: 'vxlan-7', port: 4789, external: false };
  expect(titles([4789], 'linuxbridge', device)).toEqual([]);
  expect(titles([4789], 'linuxbridge')).toEqual([
    'UDP port 4789 is taken by somebody: the kernel cannot take VXLAN there',
  ]);
  expect(titles([4789, 8472], 'linuxbridge', device)).toEqual([
    'UDP port 8472 is taken by nc (pid 7064): the kernel cannot take VXLAN there',
  ]);
});

test('a device that takes all VNIs of a port, and one that takes its own, do not share it', () => {
  const all = { name: 'vxlan_sys_4789', port: 4789, external: true };
  expect(titles([4789], 'ovs', all)).toEqual([]);
  expect(titles([4789], 'linuxbridge', all)).toEqual([
    'VXLAN device vxlan_sys_4789 has UDP port 4789, in a way in which it cannot be shared',
  ]);
});
