import { afterAll, beforeAll, expect, test } from 'vitest';
import { OverlayLab } from '../system/overlay-lab.ts';

let lab: OverlayLab;

beforeAll(async () => {
  lab = await OverlayLab.up({ name: 'wso-six', hosts: 2, underlay: 'ipv6', mtu: 9000 });
});

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

const half = (host: string, other: string) => ({
  name: 'six',
  bridge_name: 'ovs_sw0',
  addresses: [`10.100.0.${host.slice(1)}/8`, `fd00::${host.slice(1)}/64`],
  vni: 4711,
  udp_port: 8472,
  local_address: lab.address(host),
  peers: [{ device_name: 'tunnel', remote_address: lab.address(other) }],
});

test('over IPv6 and a jumbo underlay: 70 bytes less, key and port as told, both address families', async () => {
  const commands = await lab.apply('h1', half('h1', 'h2'));
  expect(commands.join('\n')).toContain(
    `add-port ovs_sw0 tunnel -- set Interface tunnel type=vxlan options:remote_ip=${lab.address('h2')} options:key=4711 ` +
      `options:dst_port=8472 options:local_ip=${lab.address('h1')}`,
  );
  await lab.apply('h2', half('h2', 'h1'));
  expect((await lab.get('h1', 'six')).status).toMatchObject({ mtu: 8930, state: 'OVERLAY_STATE_READY' });
  const ping = async (...words: readonly string[]): Promise<string> =>
    (await lab.tryOn('h1', 'ping', '-n', '-q', '-c', '3', '-i', '0.05', '-W', '1', ...words)).stdout;
  // A new IPv6 address is usable once nobody else has turned out to have it.
  await lab.on('h1', 'bash', '-ec', 'until ping -n -q -c 1 -W 1 fd00::2 > /dev/null; do sleep 0.1; done');
  expect(await ping('-M', 'do', '-s', (8930 - 28).toString(), '10.100.0.2')).toContain(' 0% packet loss');
  expect(await ping('-M', 'do', '-s', (8930 - 48).toString(), 'fd00::2')).toContain(' 0% packet loss');
  expect(await ping('-M', 'do', '-s', (8930 - 47).toString(), 'fd00::2')).not.toContain(' 0% packet loss');
  await expect(lab.apply('h1', { ...half('h1', 'h2'), mtu: 8931 })).rejects.toThrow(
    '8931 and 70 bytes of VXLAN over IPv6 need an underlay MTU of 9001',
  );
  expect(await lab.apply('h1', { ...half('h1', 'h2'), mtu: 1400 })).toEqual([
    'ovs-vsctl set Interface ovs_sw0 mtu_request=1400',
  ]);
});
