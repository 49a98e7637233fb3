import { describe, expect, test } from 'vitest';
import type { OvsPort } from '../../overlay/model/observed.ts';
import { judgeOffloads } from './checksum-offload.ts';
import { judgeRunning, judgeVersion } from './open-vswitch.ts';
import { judgeUserspace } from './ovs-datapath.ts';
import { judgeTrial } from './vxlan-missing.ts';

describe('VXLAN of the kernel', () => {
  test.each([
    ['a trial that went well', 0, '', 'judged', 0],
    // iproute2 6.1, asked for a kind that Linux 6.18 does not have.
    ['a kind that the kernel does not know', 2, 'Error: Unknown device type.\n', 'judged', 1],
    ['an older iproute2', 2, 'RTNETLINK answers: Operation not supported\n', 'judged', 1],
    ['a trial that was forbidden', 1, 'unshare: unshare failed: Operation not permitted\n', 'skipped', 0],
  ])('%s', (_what, status, stderr, kind, count) => {
    const verdict = judgeTrial({ status, stdout: '', stderr });
    expect([verdict.kind, verdict.kind === 'judged' ? verdict.findings.length : 0]).toEqual([kind, count]);
  });
});

describe('Open vSwitch', () => {
  test.each([
    ['3.1.0', 'judged', 0],
    ['2.12.0', 'judged', 0],
    ['2.11.9', 'judged', 1],
    ['2.5.2', 'judged', 1],
    ['10.0', 'judged', 0],
    ['unknown', 'skipped', 0],
  ])('version %s', (version, kind, count) => {
    const verdict = judgeVersion(version);
    expect([verdict.kind, verdict.kind === 'judged' ? verdict.findings.length : 0]).toEqual([kind, count]);
  });

  test.each([
    [true, true, undefined],
    [true, false, 'Open vSwitch does not run: ovs-vswitchd'],
    [false, true, 'Open vSwitch does not run: ovsdb-server'],
  ])('database answers: %s, daemon follows: %s', (database, daemon, title) => {
    const verdict = judgeRunning(database, daemon);
    expect(verdict.kind === 'judged' ? verdict.findings[0]?.title : 'skipped').toBe(title);
  });
});

const port = (name: string, bridge: string): OvsPort => ({
  ...{ name, bridge, isProtected: false, type: '', options: new Map() },
});

describe('the userspace datapath', () => {
  const bridges = new Map([
    ['br-user', { name: 'br-user', datapathType: 'netdev', failMode: '' }],
    ['br-kernel', { name: 'br-kernel', datapathType: '', failMode: '' }],
  ]);
  const ports = new Map([port('eth0', 'br-user'), port('eth1', 'br-kernel')].map((each) => [each.name, each]));

  test.each([
    ['eth0', ['netdev'], 'notice'],
    ['eth0', ['netdev', 'system'], 'warning'],
    ['eth1', ['netdev', 'system'], 'error'],
    ['eth2', ['netdev'], 'error'],
  ])('with the underlay on %s and %j on offer: %s', (device, datapathTypes, severity) => {
    const findings = judgeUserspace({ underlay: [device] }, { bridges, ports, datapathTypes });
    expect(findings).toMatchObject([{ severity }]);
  });

  test('gets frames with whole checksums, or says which device leaves them undone', () => {
    const end = { device: 'near0', port: 'far0', bridge: 'br-user' };
    const of = (state: string): string => `Features for near0:\nrx-checksumming: on\ntx-checksumming: ${state}\n`;
    expect(judgeOffloads([{ ...end, features: of('off') }])).toEqual([]);
    expect(judgeOffloads([{ ...end, features: of('on') }])).toMatchObject([
      { severity: 'error', remedy: [{ kind: 'run', argv: ['ethtool', '-K', 'near0', 'tx', 'off'] }] },
    ]);
  });
});
