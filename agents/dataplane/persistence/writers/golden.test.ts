import { expect, test } from 'vitest';
import type { OverlayText } from '../../overlay/model/parse.ts';
import { EXAMPLE } from '../../overlay/testing/overlays.ts';
import { NO_DEVICES } from '../desired.ts';
import { desired, overlayView } from '../testing/desired.ts';
import { headerOf } from './header.ts';

/** As one finds it written down for hosts with the network scripts. */
const BY_HAND: OverlayText = {
  ...EXAMPLE,
  bridge_name: 'ovsbr0',
  addresses: ['10.10.10.1/8'],
  peers: [{ device_name: 'vxnet0', remote_address: '192.168.0.31' }],
  links: [],
};

const OVS_BRIDGE = `DEVICE=ovsbr0
ONBOOT=yes
DEVICETYPE=ovs
TYPE=OVSBridge
BOOTPROTO=static
IPV6INIT=no
DELAY=0
IPADDR=10.10.10.1
PREFIX=8
HOTPLUG=no
`;

const OVS_TUNNEL = `DEVICE=vxnet0
ONBOOT=yes
DEVICETYPE=ovs
TYPE=OVSTunnel
OVS_BRIDGE=ovsbr0
OVS_TUNNEL_TYPE=vxlan
OVS_TUNNEL_OPTIONS="options:remote_ip=192.168.0.31"
`;

const OVS_PORT = `HWADDR="00:0C:29:62:F9:D3"
TYPE="OVSPort"
DEVICETYPE="ovs"
OVS_BRIDGE="ovsbr0"
BOOTPROTO="none"
NAME="eno16777736"
UUID="…"
ONBOOT="yes"
NM_CONTROLLED="no"
`;

test('ifcfg files are those that one writes by hand, with the marks of weft behind them', () => {
  const overlay = overlayView(BY_HAND);
  const nics = [{ name: 'eno16777736', mac_address: '00:0c:29:62:f9:d3', mtu: 0, bridge_name: 'ovsbr0' }];
  const { rendered } = desired('ifcfg', { overlay, devices: { ...NO_DEVICES, nics } });
  const header = headerOf(overlay.spec.name);
  const folder = '/etc/sysconfig/network-scripts';
  expect(rendered.files.map(({ path, text }) => [path, text.replace(/^UUID=".*"$/m, 'UUID="…"')])).toEqual([
    [`${folder}/ifcfg-ovsbr0`, `${header}${OVS_BRIDGE}OVS_EXTRA="set Bridge ovsbr0 external_ids:weft-overlay=blue"\n`],
    [`${folder}/ifcfg-vxnet0`, `${header}${OVS_TUNNEL}OVS_EXTRA="set Port vxnet0 external_ids:weft-overlay=blue"\n`],
    [`${folder}/ifcfg-eno16777736`, `${header}${OVS_PORT}`],
  ]);
});

test('the commands of NetworkManager are those that one types, and tell more behind that', () => {
  const addresses = ['10.100.0.1/24'];
  const peers = [{ device_name: '', remote_address: '192.168.0.102' }];
  const overlay = overlayView({ ...EXAMPLE, bridge_name: 'ovs-sw0', addresses, peers, links: [] });
  const { rendered } = desired('networkmanager', { overlay });
  expect(rendered.commands.map((argv) => argv.join(' '))).toEqual([
    'nmcli conn add type ovs-bridge conn.interface ovs-sw0',
    'nmcli conn add type ovs-port conn.interface ovs-sw0 master ovs-sw0',
    'nmcli conn add type ovs-interface slave-type ovs-port conn.interface ovs-sw0 master ovs-sw0 ' +
      'ipv4.method manual ipv4.address 10.100.0.1/24 ipv6.method link-local',
    'ovs-vsctl add-port ovs-sw0 vxlan0 -- set Interface vxlan0 type=vxlan options:remote_ip=192.168.0.102',
  ]);
});

test.each(['networkmanager', 'ifcfg', 'networkd'] as const)('%s: all there is, file by file', async (format) => {
  const peers = ['192.168.10.164', '192.168.10.165'].map((remote_address) => ({ device_name: '', remote_address }));
  const addresses = ['10.100.0.1/8', 'fd00::1/64'];
  const text: OverlayText = { ...EXAMPLE, addresses, peers, vni: 70, udp_port: 8472, mtu: 1450 };
  const { rendered, links, unmanaged } = desired(format, {
    overlay: overlayView(text, 'netdev'),
    devices: {
      bridges: [{ name: 'br9', addresses: ['10.9.0.1/24', '10.9.1.1/24', 'fd09::1/64', 'fd0a::1/64'], mtu: 1400 }],
      vxlans: [
        {
          ...{ name: 'vx9', vni: 9, udp_port: 0, mtu: 1400, bridge_name: 'br9' },
          ...{ local_address: '2001:db8::1', remote_address: '2001:db8::2' },
        },
      ],
      veths: [{ name: 'v9a', peer_name: 'v9b', mtu: 0, bridge_name: 'br9', peer_bridge_name: '' }],
      nics: [
        { name: 'eth7', mac_address: '00:0c:29:62:f9:d3', mtu: 1500, bridge_name: 'br9' },
        { name: 'eth8', mac_address: '00:0c:29:62:f9:d4', mtu: 0, bridge_name: 'ovs_sw0' },
      ],
    },
  });
  const files = [...rendered.files, ...links, ...unmanaged].map(
    (file) => `==> ${file.path} (${file.mode.toString(8)})\n${file.text}\n`,
  );
  const commands = rendered.commands.map((argv) => `$ ${argv.join(' ')}\n`);
  const leftOut = rendered.leftOut.map(({ device, reason }) => `- ${device}: ${reason}\n`);
  await expect([...files, ...commands, ...leftOut].join('')).toMatchFileSnapshot(`golden/${format}.txt`);
});
