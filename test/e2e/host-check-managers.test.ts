import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { HostChecks } from '../system/host-check-lab.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { startNetworkManager } from '../system/host-daemons.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ownFolder, startBus, startFirewalld } from '../system/managers.ts';

/** Hosts with the real firewalld and NetworkManager beside the agent. */
describe('a host with other managers of its network', () => {
  let lab: LabWeft;
  let checks: HostChecks;

  beforeAll(async () => {
    lab = await LabWeft.up({ name: 'whcm', hosts: 3 });
    checks = new HostChecks('whcm');
    await eventually('all hosts are known', async () => (await checks.ask('h1')).peers.length === 2, 10_000);
  });

  afterAll(async () => {
    checks[Symbol.dispose]();
    await lab.down();
  });

  const firewall = async (...argv: readonly string[]): Promise<string> =>
    (await tryInPlace({ lab: 'whcm', host: 'h1' }, ['firewall-cmd', ...argv])).stdout.trim();
  const FIREWALL = ['udp-port-blocked', 'udp-port-not-permanent', 'overlay-source-untrusted'];

  test('firewalld keeps VXLAN out: the commands that open it, and --fix runs them', async () => {
    const at = { lab: 'whcm', host: 'h1' };
    await startBus(at);
    await startFirewalld(at);
    const wish = { only: FIREWALL, networks: ['10.0.0.0/8'] };
    const before = await checks.ask('h1', wish);
    expect(before.findings).toMatchObject([
      {
        check: 'udp-port-blocked',
        severity: 'SEVERITY_ERROR',
        title: 'the firewall drops VXLAN coming in: UDP port 4789',
        evidence: ['192.0.2.12', '192.0.2.13'].map(
          (peer) =>
            `nftables, table inet firewalld, chain filter_INPUT from ${peer}: reject with icmpx admin-prohibited`,
        ),
        remedy: [
          'firewall-cmd --zone=public --add-port=4789/udp --add-port=8472/udp',
          'firewall-cmd --permanent --zone=public --add-port=4789/udp --add-port=8472/udp',
        ],
        fixable: true,
        fixed: false,
      },
      {
        check: 'overlay-source-untrusted',
        severity: 'SEVERITY_WARNING',
        title: 'firewalld does not trust what comes from the overlay: 10.0.0.0/8',
        remedy: [
          'firewall-cmd --zone=trusted --add-source=10.0.0.0/8',
          'firewall-cmd --permanent --zone=trusted --add-source=10.0.0.0/8',
        ],
        fixable: true,
      },
    ]);
    expect(await firewall('--zone=public', '--list-ports')).toBe('');

    const fixed = await checks.ask('h1', { ...wish, fix: true });
    expect(fixed.findings.map(({ check, fixed: gone }) => [check, gone])).toEqual([
      ['udp-port-blocked', true],
      ['overlay-source-untrusted', true],
    ]);
    for (const permanent of [[], ['--permanent']]) {
      expect(await firewall(...permanent, '--zone=public', '--list-ports')).toBe('4789/udp 8472/udp');
      expect(await firewall(...permanent, '--zone=trusted', '--list-sources')).toBe('10.0.0.0/8');
    }
    expect((await checks.ask('h1', wish)).findings).toEqual([]);

    // Again: nothing to do, and nothing done.
    const rules = await firewall('--list-all-zones');
    expect((await checks.ask('h1', { ...wish, fix: true })).findings).toEqual([]);
    expect(await firewall('--list-all-zones')).toBe(rules);
    // And after firewalld has begun anew from its files.
    await firewall('--reload');
    expect((await checks.ask('h1', wish)).findings).toEqual([]);
  });

  test('a port that is open until the next start of firewalld only', async () => {
    await firewall('--permanent', '--zone=public', '--remove-port=4789/udp');
    const wish = { only: FIREWALL };
    expect((await checks.ask('h1', wish)).findings).toMatchObject([
      { check: 'udp-port-not-permanent', severity: 'SEVERITY_WARNING', fixable: true },
    ]);
    expect((await checks.ask('h1', { ...wish, fix: true })).findings).toMatchObject([{ fixed: true }]);
    expect(await firewall('--permanent', '--zone=public', '--list-ports')).toBe('4789/udp 8472/udp');
  });

  test('a network that the underlay lies in is never trusted unasked', async () => {
    const { findings } = await checks.ask('h1', {
      only: ['overlay-source-untrusted'],
      networks: ['192.0.0.0/16'],
      fix: true,
    });
    expect(findings).toMatchObject([
      {
        fixed: false,
        fixable: false,
        evidence: [expect.anything(), '192.0.2.11 of the underlay lies in it, and would be trusted as well'],
      },
    ]);
    expect(await firewall('--zone=trusted', '--list-sources')).toBe('10.0.0.0/8');
  });

  test("NetworkManager is not told to leave weft's devices alone, until --fix tells it", async () => {
    const at = { lab: 'whcm', host: 'h2' };
    expect(await checks.findings('h2', 'network-manager')).toEqual([]);
    for (const folder of ['/etc/NetworkManager', '/var/lib/NetworkManager']) await ownFolder(at, folder);
    await startNetworkManager(at);
    const [finding] = await checks.findings('h2', 'network-manager');
    expect(finding).toMatchObject({
      severity: 'SEVERITY_WARNING',
      title: "NetworkManager runs and is not told to leave weft's devices alone: tap*, brq*, vxlan-*",
      remedy: [
        expect.stringMatching(/^printf .* > \/etc\/NetworkManager\/conf\.d\/90-weft\.conf$/),
        'nmcli general reload conf',
      ],
      fixable: true,
    });
    expect((await checks.ask('h2', { only: ['network-manager'], fix: true })).findings).toMatchObject([
      { fixed: true },
    ]);
    const config = '/etc/NetworkManager/conf.d/90-weft.conf';
    const written = await inPlace(at, ['cat', config]);
    expect(written).toContain('unmanaged-devices+=interface-name:tap*;interface-name:brq*;interface-name:vxlan-*\n');
    expect((await inPlace(at, ['stat', '-c', '%a', config])).trim()).toBe('644');
    expect((await checks.ask('h2', { only: ['network-manager'], fix: true })).findings).toEqual([]);
    // By hand, from the finding: the same file.
    await inPlace(at, ['rm', config]);
    for (const line of finding?.remedy ?? []) await inPlace(at, ['sh', '-c', line]);
    expect(await inPlace(at, ['cat', config])).toBe(written);
    expect(await checks.findings('h2', 'network-manager')).toEqual([]);
  });

  test("systemd-networkd's files take weft's devices, until --fix puts one before them", async () => {
    const at = { lab: 'whcm', host: 'h3' };
    await inPlace(at, ['mkdir', '-p', '/run/systemd/netif', '/run/systemd/network']);
    await ownFolder(at, '/etc/systemd/network');
    await inPlace(at, [
      'sh',
      '-c',
      "printf '[Match]\\nName=*\\n[Network]\\nDHCP=yes\\n' > /run/systemd/network/80-all.network",
    ]);
    expect(await checks.findings('h3', 'networkd')).toEqual([]);
    await inPlace(at, ['touch', '/run/systemd/netif/state']);
    expect(await checks.findings('h3', 'networkd')).toMatchObject([
      {
        severity: 'SEVERITY_WARNING',
        title: "systemd-networkd runs and is told to manage weft's devices: tap*, brq*, vxlan-*",
        fixable: true,
      },
    ]);
    await checks.ask('h3', { only: ['networkd'], fix: true });
    expect(await inPlace(at, ['cat', '/etc/systemd/network/10-weft.network'])).toContain('Unmanaged=yes');
    expect(await checks.findings('h3', 'networkd')).toEqual([]);
  });
});
