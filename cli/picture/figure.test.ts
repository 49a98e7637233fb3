import { expect, test } from 'vitest';
import { HostPicture, PicturePortKind } from '#proto/weft/agent/v1/explain.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import { figureOf } from './figure.ts';
import { drawSvg } from './svg.ts';
import { drawText } from './text.ts';

const QDHCP = 'qdhcp-0a1b2c3d';
const QROUTER = 'qrouter-9999';

const network = (name: string) => ({ kind: 'network', id: `${name}-id`, name });
const guest = PicturePortKind.PICTURE_PORT_KIND_GUEST;
const pair = PicturePortKind.PICTURE_PORT_KIND_PAIR;

const picture = HostPicture.fromPartial({
  ...{ host_id: 'h1', driver: Driver.DRIVER_LINUXBRIDGE, vtep_address: '192.0.2.1' },
  bridges: [
    {
      ...{ name: 'brq0a1b2c3d-44', objects: [network('blue')], mtu: 1450 },
      ports: [
        {
          ...{ device_name: 'tap11111111-11', kind: guest, object: { kind: 'port', id: 'p', name: 'vm1' } },
          ...{ machine_id: 'vm1', mac_address: 'fa:16:3e:00:00:01', ip_addresses: ['172.16.1.10'] },
        },
        { device_name: 'tap66aa1ee8-9b', kind: pair, peer_device_name: 'ns-66aa1ee8-9b', peer_namespace: QDHCP },
        { device_name: 'tap77777777-77', kind: pair, peer_device_name: 'qr-77777777-77', peer_namespace: QROUTER },
        { device_name: 'vnet7', kind: guest, foreign: true },
        {
          ...{ device_name: 'vxlan-70', kind: PicturePortKind.PICTURE_PORT_KIND_TUNNEL, segmentation_id: 70 },
          remotes: [{ vtep_address: '192.0.2.2', host_id: 'h2' }, { vtep_address: '192.0.2.3' }],
        },
      ],
    },
    {
      ...{ name: 'brqeeee2c3d-44', objects: [network('outside')], mtu: 1500 },
      ports: [
        {
          ...{ device_name: 'eth1', kind: PicturePortKind.PICTURE_PORT_KIND_INTERFACE, physical_network: 'provider' },
        },
        { device_name: 'tap88888888-88', kind: pair, peer_device_name: 'qg-88888888-88', peer_namespace: QROUTER },
      ],
    },
  ],
  namespaces: [
    {
      ...{ name: QDHCP, object: { kind: 'dhcp', id: 'blue-id', name: 'blue' }, processes: ['4711 dnsmasq --no-hosts'] },
      interfaces: [{ device_name: 'ns-66aa1ee8-9b', addresses: ['172.16.1.2/24'], peer_device_name: 'tap66aa1ee8-9b' }],
    },
    {
      ...{ name: QROUTER, object: { kind: 'router', id: 'r', name: 'r1' } },
      interfaces: [
        { device_name: 'qg-88888888-88', addresses: ['172.32.0.10/24'], peer_device_name: 'tap88888888-88' },
        { device_name: 'qr-77777777-77', addresses: ['172.16.1.1/24'], peer_device_name: 'tap77777777-77' },
      ],
      routes: ['default via 172.32.0.1 dev qg-88888888-88'],
    },
  ],
  interfaces: [{ device_name: 'eth0', addresses: ['192.0.2.1/24'], uses: ['underlay'] }],
});

test('a terminal gets boxes', () => {
  expect(drawText(figureOf(picture), { columns: 100, boxes: true })).toMatchInlineSnapshot(`
    [
      "host h1, VTEP 192.0.2.1, Linux bridges",
      "",
      "                            ┌────────────────────────┐",
      "                            │ brq0a1b2c3d-44         │",
      "                            │ Linux bridge, MTU 1450 │",
      "                            │ network blue           │",
      "┌──────────────────────┐    │               vxlan-70 ├─── VNI 70",
      "│ vm1                  ├────┤ tap11111111-11         │      192.0.2.2 (h2)",
      "│ fa:16:3e:00:00:01    │    │                        │      192.0.2.3",
      "│ 172.16.1.10          │    │                        │",
      "└──────────────────────┘    │                        │",
      "┌──────────────────────┐    │                        │",
      "│ DHCP of network blue ├────┤ tap66aa1ee8-9b         │",
      "│ ns-66aa1ee8-9b       │    │                        │",
      "│ 172.16.1.2/24        │    │                        │",
      "└──────────────────────┘    │                        │",
      "┌──────────────────────┐    │                        │",
      "│ router r1            ├────┤ tap77777777-77         │",
      "│ qr-77777777-77       │    │                        │",
      "│ 172.16.1.1/24        │    │                        │",
      "└──────────────────────┘    │                        │",
      "┌──────────────────────┐    │                        │",
      "│ not weft's           ├────┤ vnet7 (foreign)        │",
      "└──────────────────────┘    │                        │",
      "                            └────────────────────────┘",
      "",
      "                            ┌────────────────────────┐",
      "                            │ brqeeee2c3d-44         │",
      "                            │ Linux bridge, MTU 1500 │",
      "                            │ network outside        │",
      "┌──────────────────────┐    │                   eth1 ├─── physical network provider",
      "│ router r1            ├────┤ tap88888888-88         │",
      "│ qg-88888888-88       │    │                        │",
      "│ 172.32.0.10/24       │    │                        │",
      "└──────────────────────┘    │                        │",
      "                            └────────────────────────┘",
      "",
      "┌─ qdhcp-0a1b2c3d ─ DHCP of network blue ─────────────────┐",
      "│ ns-66aa1ee8-9b  172.16.1.2/24  other end tap66aa1ee8-9b │",
      "│ process 4711 dnsmasq                                    │",
      "└─────────────────────────────────────────────────────────┘",
      "",
      "┌─ qrouter-9999 ─ router r1 ───────────────────────────────┐",
      "│ qg-88888888-88  172.32.0.10/24  other end tap88888888-88 │",
      "│ qr-77777777-77  172.16.1.1/24   other end tap77777777-77 │",
      "│ route default via 172.32.0.1 dev qg-88888888-88          │",
      "└──────────────────────────────────────────────────────────┘",
      "",
      "eth0  192.0.2.1/24, underlay",
    ]
  `);
});

test('a pipe gets characters that every program knows, at any width', () => {
  const lines = drawText(figureOf(picture), { columns: undefined, boxes: false });
  expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  expect(lines).toContainEqual(expect.stringContaining('| vm1                  +----+ tap11111111-11         |'));
});

test('a narrow terminal gets a list, and no line is wider than it', () => {
  const lines = drawText(figureOf(picture), { columns: 40, boxes: true });
  expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(40);
  expect(lines).toContain('  tap11111111-11');
});

test('names of others drive no terminal, and wide ones break no box', () => {
  const wicked = HostPicture.fromPartial({
    host_id: 'h1',
    bridges: [
      {
        name: 'br0',
        ports: [{ device_name: 'tap0', kind: guest, machine_id: '漢字\u001b[2J', mac_address: 'fa:16:3e:00:00:01' }],
      },
    ],
  });
  expect(drawText(figureOf(wicked), { columns: 80, boxes: true })).toEqual([
    'host h1',
    '',
    '                         ┌──────────────┐',
    '                         │ br0          │',
    '                         │ Linux bridge │',
    '┌───────────────────┐    │              │',
    '│ 漢字 [2J          ├────┤ tap0         │',
    '│ fa:16:3e:00:00:01 │    │              │',
    '└───────────────────┘    │              │',
    '                         └──────────────┘',
  ]);
});

test('an SVG has a line for each port that leads somewhere, and no name that is markup', async () => {
  const figure = figureOf(picture);
  const svg = drawSvg(figure);
  await expect(`${svg}\n`).toMatchFileSnapshot('./testing/network-host.svg');
  expect(svg.match(/<path d/g)).toHaveLength(7);
  expect(drawSvg({ ...figure, title: '<script>&' })).toContain('&lt;script&gt;&amp;');
});
