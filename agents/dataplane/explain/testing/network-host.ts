import type { HostFacts, ObjectNames } from '../host-facts.ts';
import type { HostDevice, HostLook } from '../host-look.ts';
import { HostMap } from '../host-map.ts';

const BLUE = '0a1b2c3d-4455-4667-8899-aabbccddeeff';
const OUTSIDE = 'eeee2c3d-4455-4667-8899-aabbccddeeff';
const ROUTER = '99992c3d-4455-4667-8899-aabbccddeeff';
const VM = '11111111-1155-4667-8899-aabbccddeeff';
const DHCP = '66aa1ee8-9b55-4667-8899-aabbccddeeff';
const INSIDE = '77777777-7755-4667-8899-aabbccddeeff';
const GATEWAY = '88888888-8855-4667-8899-aabbccddeeff';

/** Ids of what is on the host below. */
export const IDS = { BLUE, OUTSIDE, ROUTER, VM, DHCP, INSIDE, GATEWAY } as const;

const qdhcp = `qdhcp-${BLUE}`;
const qrouter = `qrouter-${ROUTER}`;

const device = (index: number, name: string, more: Partial<HostDevice> = {}): HostDevice => ({
  ...{ index, name, namespace: '', mtu: 1450, up: true, addresses: [] },
  ...more,
});

const look: HostLook = {
  time: new Date(0),
  devices: [
    device(1, 'lo', { addresses: ['127.0.0.1/8'] }),
    device(2, 'eth0', { addresses: ['192.0.2.1/24'], mtu: 1500 }),
    device(3, 'eth1', { master: 'brqeeee2c3d-44', mtu: 1500 }),
    device(4, 'docker0', { kind: 'bridge', addresses: ['172.17.0.1/16'] }),
    device(10, 'brq0a1b2c3d-44', { kind: 'bridge', alias: `weft:network:${BLUE}` }),
    device(11, 'vxlan-70', {
      ...{ kind: 'vxlan', alias: `weft:network:${BLUE}`, master: 'brq0a1b2c3d-44' },
      vxlan: { vni: 70, udpPort: 4789, local: '192.0.2.1' },
    }),
    device(12, 'tap11111111-11', { kind: 'tun', alias: `weft:port:${VM}`, master: 'brq0a1b2c3d-44' }),
    device(13, 'tap66aa1ee8-9b', {
      ...{ kind: 'veth', alias: `weft:port:${DHCP}`, master: 'brq0a1b2c3d-44', peerIndex: 2 },
    }),
    device(14, 'tap77777777-77', {
      ...{ kind: 'veth', alias: `weft:port:${INSIDE}`, master: 'brq0a1b2c3d-44', peerIndex: 2 },
    }),
    device(15, 'vnet7', { kind: 'tun', master: 'brq0a1b2c3d-44', alias: 'my own' }),
    device(20, 'brqeeee2c3d-44', { kind: 'bridge', alias: `weft:network:${OUTSIDE}`, mtu: 1500 }),
    device(21, 'tap88888888-88', {
      ...{ kind: 'veth', alias: `weft:port:${GATEWAY}`, master: 'brqeeee2c3d-44', peerIndex: 3, mtu: 1500 },
    }),
    device(1, 'lo', { namespace: qdhcp, alias: `weft:dhcp:${BLUE}` }),
    device(2, 'ns-66aa1ee8-9b', { namespace: qdhcp, kind: 'veth', peerIndex: 13, addresses: ['172.16.1.2/24'] }),
    device(2, 'qr-77777777-77', { namespace: qrouter, kind: 'veth', peerIndex: 14, addresses: ['172.16.1.1/24'] }),
    device(3, 'qg-88888888-88', { namespace: qrouter, kind: 'veth', peerIndex: 21, addresses: ['172.32.0.10/24'] }),
    device(2, 'eth9', { namespace: 'mine' }),
  ],
  namespaces: [
    { name: qdhcp, routes: [], processes: [{ pid: 4711, argv: ['/usr/sbin/dnsmasq', '--no-hosts'] }] },
    { name: qrouter, routes: ['default via 172.32.0.1 dev qg-88888888-88'], processes: [] },
    { name: 'mine', routes: [], processes: [] },
  ],
  tables: [
    { namespace: qrouter, family: 'ip', name: 'weft', chains: ['nat'] },
    { namespace: '', family: 'bridge', name: 'weft', chains: ['guests'] },
    { namespace: '', family: 'inet', name: 'firewalld', chains: ['filter'] },
  ],
  bridges: [],
  flood: new Map([['vxlan-70', ['192.0.2.3', '192.0.2.2']]]),
};

const facts: HostFacts = {
  ...{ hostId: 'h1', driver: 'linuxbridge', vtep: '192.0.2.1' },
  networks: [
    {
      ...{ networkId: BLUE, vni: 70, bridge: 'brq0a1b2c3d-44', tunnel: 'vxlan-70' },
      remotes: new Map([['192.0.2.2', 'h2']]),
    },
  ],
  ports: [{ portId: VM, networkId: BLUE, device: 'tap11111111-11', mac: 'fa:16:3e:00:00:01', ips: ['172.16.1.10'] }],
  physicalNetworks: new Map([['eth1', 'provider']]),
};

const port = (networkId: string, deviceOwner: string, deviceId: string, name = '') => ({
  ...{ name, networkId, mac: '', ips: [], deviceId, deviceOwner },
});

const names: ObjectNames = {
  reached: true,
  networks: new Map([
    [BLUE, 'blue'],
    [OUTSIDE, 'outside'],
  ]),
  routers: new Map([[ROUTER, 'r1']]),
  ports: new Map([
    [VM, port(BLUE, 'compute:kvm', 'vm-1', 'vm1')],
    [DHCP, port(BLUE, 'network:dhcp', `dhcp-${BLUE}`)],
    [INSIDE, port(BLUE, 'network:router_interface', ROUTER)],
    [GATEWAY, port(OUTSIDE, 'network:router_gateway', ROUTER)],
  ]),
};

/** A host of role `network`, as the article has it: a guest, DHCP, a router with a gateway on a provider network. */
export const networkHost = (): HostMap => new HostMap(look, facts, names);
