import { expect, test } from 'vitest';
import { pictureOf } from './picture.ts';
import { networkHost } from './testing/network-host.ts';

test('a picture has every bridge of weft with all that is in it', () => {
  const { bridges } = pictureOf(networkHost());
  const ports = bridges.map(({ name, ports: all }) => [
    name,
    ...all.map(({ device, kind, foreign, peer }) => `${device} ${kind}${foreign ? ' foreign' : ''} ${peer}`.trimEnd()),
  ]);
  expect(ports).toEqual([
    [
      'brq0a1b2c3d-44',
      'tap11111111-11 guest',
      'tap66aa1ee8-9b pair ns-66aa1ee8-9b',
      'tap77777777-77 pair qr-77777777-77',
      'vnet7 guest foreign',
      'vxlan-70 tunnel',
    ],
    ['brqeeee2c3d-44', 'eth1 interface', 'tap88888888-88 pair qg-88888888-88'],
  ]);
});

test('a tunnel leads where its flood rows do, and hosts are named where they are known', () => {
  const vxlan = pictureOf(networkHost()).bridges[0]?.ports.find(({ device }) => device === 'vxlan-70');
  expect(vxlan?.vni).toBe(70);
  expect(vxlan?.remotes).toEqual([
    { address: '192.0.2.2', hostId: 'h2', vnis: [] },
    { address: '192.0.2.3', hostId: '', vnis: [] },
  ]);
});

test('what leads out of the host, and namespaces that are attached', () => {
  const { interfaces, namespaces } = pictureOf(networkHost());
  expect(interfaces.map(({ device, uses }) => [device, ...uses])).toEqual([['eth0', 'underlay']]);
  expect(
    namespaces.map(({ name, interfaces: inside }) => [name.slice(0, 8), ...inside.map(({ device }) => device)]),
  ).toEqual([
    ['qdhcp-0a', 'ns-66aa1ee8-9b'],
    ['qrouter-', 'qg-88888888-88', 'qr-77777777-77'],
  ]);
});
