import { expect, test } from 'vitest';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import type { CommandRunner } from './command.ts';
import { findUnderlay } from './underlay.ts';

const never = new AbortController().signal;

const host: CommandRunner = {
  run: async () =>
    Promise.resolve({
      status: 0,
      stderr: '',
      stdout: `${JSON.stringify([
        { ifname: 'lo', mtu: 65536, addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8 }] },
        {
          ifname: 'eth0',
          mtu: 1600,
          addr_info: [
            { local: '192.0.2.1' },
            { local: '192.0.2.10' },
            { local: '2001:DB8:0::1' },
            { family: 'mctp' },
            null,
          ],
        },
        { ifname: 'eth1', mtu: 9000, addr_info: [] },
        { addr_info: 'nonsense' },
      ])}\n`,
    }),
};

test.each(['192.0.2.10', '2001:db8::1'])('finds the interface that bears %s, and its MTU', async (address) => {
  expect(await findUnderlay(parseUnicastIp('vtep', address), never, host)).toEqual({ device: 'eth0', mtu: 1600 });
});

test('says which address no interface bears', async () => {
  await expect(findUnderlay(parseUnicastIp('vtep', '192.0.2.100'), never, host)).rejects.toMatchObject({
    code: 'precondition',
    message: 'no interface of this host bears the VTEP address 192.0.2.100',
  });
});
