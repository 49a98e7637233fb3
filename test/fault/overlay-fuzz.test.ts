import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OverlayServiceService } from '#proto/weft/agent/v1/overlay.ts';
import type { MethodShape } from '#platform/rpc/definition.ts';
import type { OverlayLab } from '../system/overlay-lab.ts';
import { FuzzedHost } from './support/fuzzed-host.ts';

const S = OverlayServiceService;
/** What the service may say to anything at all. */
const CALM = ['OK', 'OPEN', 'INVALID_ARGUMENT', 'NOT_FOUND', 'FAILED_PRECONDITION', 'DEADLINE_EXCEEDED'];
const SHELL = '$(reboot); `reboot` | reboot && reboot';
const LONG = 'n'.repeat(256);

const GOOD = {
  name: 'blue',
  bridge_name: 'ovs_sw0',
  addresses: ['10.100.0.1/8'],
  peers: [{ device_name: 'vxlan0', remote_address: '192.0.2.99' }],
};

const devices = [
  '',
  'sixteen-bytes-16',
  'a b',
  'a/b',
  '..',
  '-x',
  'a\nb',
  'tap%d',
  'all',
  'lo',
  SHELL,
  LONG,
  '\u0000',
  'é',
];
const underlay = ['', 'x', '256.1.1.1', '1.2.3.4/24', 'fe80::1', '127.0.0.1', '224.0.0.1', '0.0.0.0', '::', SHELL];
const names = ['', 'a b', '../x', '.x', '-x', 'a\nb', SHELL, LONG, '\u0000', '*'];

/** By the field that must be named: values that it must not have. */
const WRONG: Readonly<Record<string, readonly object[]>> = {
  name: names.map((name) => ({ name })),
  bridge_name: [
    ...devices.map((bridge_name) => ({ bridge_name })),
    ...devices.map((bridge_name) => ({ links: [{ bridge_name }] })),
  ],
  addresses: ['', 'x', '10.0.0.1', '10.0.0.0/8', '10.0.0.1/33', '10.0.0.1/0', '::1', '224.0.0.1/4', SHELL].map(
    (each) => ({
      addresses: [each],
    }),
  ),
  vni: [{ vni: 16_777_216 }],
  udp_port: [{ udp_port: 65_536 }],
  mtu: [{ mtu: 67 }, { mtu: 65_536 }],
  local_address: underlay.slice(1).map((local_address) => ({ local_address })),
  remote_address: underlay.map((remote_address) => ({ peers: [{ remote_address }] })),
  device_name: [
    ...devices.slice(1).map((device_name) => ({ peers: [{ device_name, remote_address: '192.0.2.99' }] })),
    ...devices.slice(1).map((device_name) => ({ links: [{ device_name, bridge_name: 'docker0' }] })),
  ],
  peer_device_name: devices
    .slice(1)
    .map((peer_device_name) => ({ links: [{ peer_device_name, bridge_name: 'docker0' }] })),
  subnets: ['x', '10.1.0.1/16', '10.1.0.0/33', SHELL].map((each) => ({
    links: [{ bridge_name: 'docker0', subnets: [each] }],
  })),
};

describe('bad input to the overlays of a host', () => {
  let host: FuzzedHost;
  let lab: OverlayLab;

  beforeAll(async () => {
    host = await FuzzedHost.up('wso-fuzz');
    ({ lab } = host);
  });

  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  /** What the host has and who serves it: a restart of the agent would be another start time. */
  const everything = async (): Promise<unknown> => ({
    links: await lab.on('h1', 'ip', '-br', 'link'),
    database: await lab.on('h1', 'ovs-vsctl', 'list', 'Port'),
    overlays: await lab.list('h1'),
    harmless: (await lab.tryOn('h1', 'ls', '/tmp/weft-was-here')).exitCode !== 0,
  });

  const unchangedBy = async (work: () => Promise<void>): Promise<void> => {
    const before = await everything();
    await work();
    expect(await everything()).toEqual(before);
  };

  test('is INVALID_ARGUMENT with the field, for every field, and changes nothing', async () => {
    await unchangedBy(async () => {
      for (const [field, wishes] of Object.entries(WRONG)) {
        for (const wish of wishes) {
          await host.refuses(S.applyOverlay, { overlay: { ...GOOD, ...wish }, validate_only: false }, field);
        }
      }
      for (const method of [S.getOverlay, S.deleteOverlay, S.watchOverlays]) {
        for (const name of names.filter((each) => each !== '' || method !== S.watchOverlays)) {
          await host.refuses(method, { name }, 'name');
        }
      }
      expect(await host.call(S.applyOverlay, new Uint8Array())).toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });

  test('of any shape is answered in kind, and changes nothing', async () => {
    const methods = Object.values(S) as readonly MethodShape[];
    // None of it is a peer that can be reached, so nothing of it can be applied.
    const known = ['blue', 'ovs_sw0', '10.100.0.1/8', '192.0.2.99', 'br-underlay', 'vxlan0'];
    await unchangedBy(async () => {
      await host.staysCalm(methods, { known, codes: CALM, batches: 40 });
      for (const { name } of await lab.list('h1')) await lab.delete('h1', name);
    });
  });
});
