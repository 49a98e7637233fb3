import { describe, expect, test } from 'vitest';
import { judgeManager } from '../checks/network-manager.ts';
import { judgeFiles } from '../checks/networkd.ts';
import { globMatches, ownDevices } from './devices.ts';
import { dropIn, managedDevices } from './network-manager.ts';

const own = ownDevices({ driver: 'linuxbridge', overlays: [] });
const ALL = ['tap*', 'brq*', 'vxlan-*'];

/** As `NetworkManager --print-config` of 1.42 writes. */
const config = (...lines: readonly string[]): string =>
  [
    '# NetworkManager configuration: /etc/NetworkManager/NetworkManager.conf',
    '',
    '[main]',
    '# dhcp=internal',
    'plugins=keyfile',
    '',
    ...lines,
  ].join('\n');

describe('NetworkManager', () => {
  test.each([
    ['says nothing', [], ALL],
    [
      'is told of all',
      ['[keyfile]', 'unmanaged-devices=interface-name:tap*;interface-name:brq*,interface-name:vxlan-*'],
      [],
    ],
    [
      'is told of some',
      ['[keyfile]', 'unmanaged-devices=interface-name:tap*;mac:00:11:22:33:44:55'],
      ['brq*', 'vxlan-*'],
    ],
    ['leaves everything alone', ['[keyfile]', 'unmanaged-devices=*'], []],
    ['excepts some', ['[keyfile]', 'unmanaged-devices=*,except:interface-name:tap*'], ['tap*']],
    [
      'has a section for devices',
      ['[device-weft]', 'match-device=interface-name:brq*', 'managed=0'],
      ['tap*', 'vxlan-*'],
    ],
    [
      'has a section that counts before the list',
      ['[device-a]', 'match-device=interface-name:tap*', 'managed=1', '[keyfile]', 'unmanaged-devices=*'],
      ['tap*'],
    ],
  ])('%s', (_what, lines, managed) => {
    expect(managedDevices(config(...lines), own).map(({ pattern }) => pattern)).toEqual(managed);
  });

  test('is told what it holds already, and the drop-in is enough', () => {
    const [finding] = judgeManager(
      config(),
      'eth0:connected\nbrq0a1b2c3d-4e:connected (externally)\ntapx:unmanaged\n',
      own,
    );
    expect(finding?.evidence).toEqual([
      'NetworkManager --print-config: unmanaged-devices does not cover tap*, brq*, vxlan-*',
      'nmcli device: brq0a1b2c3d-4e is connected (externally)',
    ]);
    const merged = dropIn(own)
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .join('\n')
      .replace('+=', '=');
    expect(judgeManager(config(merged), '', own)).toEqual([]);
  });
});

describe('systemd-networkd', () => {
  const file = (path: string, ...lines: readonly string[]) => ({ path, text: `${lines.join('\n')}\n` });

  test.each([
    ['no file matches', [file('80-eth.network', '[Match]', 'Name=en* eth*', '[Network]', 'DHCP=yes')], 0],
    ['one takes all', [file('80-all.network', '[Match]', 'Name=*', '[Network]', 'DHCP=yes')], 1],
    ['one takes all but two', [file('80-all.network', '[Match]', 'Name=!brq* vxlan-*', '[Network]', 'DHCP=yes')], 1],
    [
      'one before it lets them alone',
      [
        file('10-weft.network', '[Match]', 'Name=tap* brq* vxlan-*', '[Link]', 'Unmanaged=yes'),
        file('80-all.network', '[Match]', 'Name=*', '[Network]', 'DHCP=yes'),
      ],
      0,
    ],
    ['what matches by more than names is not guessed', [file('80-v.network', '[Match]', 'Name=*', 'Type=wlan')], 0],
  ])('%s', (_what, files, count) => {
    expect(judgeFiles(files, own)).toHaveLength(count);
  });
});

test('patterns are those of a shell, and nothing else in a name is special', () => {
  expect(globMatches('vxlan-*', 'vxlan-70')).toBe(true);
  expect(globMatches('eth?', 'eth10')).toBe(false);
  expect(globMatches('a.b', 'axb')).toBe(false);
});
