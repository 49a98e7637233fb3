import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { HostChecks } from '../system/host-check-lab.ts';
import { inPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';

const WRONG_CLOCK = fileURLToPath(new URL('../system/wrong-clock.fixture.ts', import.meta.url));
/** Debian has it there; /sbin/ip and others lead to it. */
const IP = '/usr/bin/ip';

/** A mesh of hosts whose tunnels are the kernel's: each thing that can be amiss with one is provoked and taken back. */
describe('a host with Linux bridges', () => {
  let lab: LabWeft;
  let checks: HostChecks;
  const undo: (readonly string[])[] = [];

  beforeAll(async () => {
    lab = await LabWeft.up({ name: 'whc', hosts: 3 });
    checks = new HostChecks('whc');
    await eventually('all hosts are known', async () => (await checks.ask('h1')).peers.length === 2, 10_000);
    // One that a host holds, so that there is something that can be too large for the underlay.
    const network = await lab.network({ name: 'held' });
    await lab.subnet(network, '10.5.0.0/24');
    const port = await lab.port(network, { name: 'g1' });
    await lab.boot('g1', 'h1', port, network);
    await lab.converged(network.id, 1);
  });

  afterEach(async () => {
    for (const argv of undo.splice(0).reverse()) await checks.on('h1', ...argv);
  });

  afterAll(async () => {
    checks[Symbol.dispose]();
    await lab.down();
  });

  /** Does something on h1 that is undone after the test. */
  const provoke = async (argv: readonly string[], back?: readonly string[]): Promise<void> => {
    await checks.on('h1', ...argv);
    if (back !== undefined) undo.push(back);
  };

  test('is fit as it is: nothing is found, and what does not concern it is skipped with a reason', async () => {
    const { findings, checks: made, notes } = await checks.ask('h1');
    expect(findings).toEqual([]);
    expect(notes).toEqual([]);
    const skipped = made.filter(({ outcome }) => outcome === 'CHECK_OUTCOME_SKIPPED');
    expect(skipped.map(({ check }) => check)).toEqual([
      ...['overlay-source-untrusted', 'ovs-missing', 'ovs-not-running', 'ovs-too-old', 'ovs-datapath'],
      'checksum-offload',
    ]);
    expect(skipped.filter(({ reason }) => reason === '')).toEqual([]);
    expect(made.length - skipped.length).toBeGreaterThan(10);
  });

  test('whose nftables drop VXLAN: the very rule, the peers, and the command that lets it in', async () => {
    await provoke(['nft', 'add table inet guard'], ['nft', 'delete table inet guard']);
    await provoke(['nft', 'add chain inet guard in { type filter hook input priority 0; }']);
    await provoke(['nft', 'add rule inet guard in ip saddr 192.0.2.0/24 udp dport { 4789, 8472 } drop']);
    const [finding, ...others] = await checks.findings('h1', 'udp-port-blocked');
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      check: 'udp-port-blocked',
      severity: 'SEVERITY_ERROR',
      title: 'the firewall drops VXLAN coming in: UDP port 4789',
      evidence: ['192.0.2.12', '192.0.2.13'].map(
        (peer) =>
          `nftables, table inet guard, chain in from ${peer}: ip saddr 192.0.2.0/24 udp dport { 4789, 8472 } drop`,
      ),
      remedy: ['nft insert rule inet guard in udp dport 4789 accept'],
      fixable: false,
    });
    await checks.on('h1', ...(finding?.remedy[0] ?? '').split(' '));
    expect(await checks.findings('h1', 'udp-port-blocked')).toEqual([]);
  });

  test('whose nftables have a policy of drop, and let in whom they know', async () => {
    await provoke(['nft', 'add table inet guard'], ['nft', 'delete table inet guard']);
    await provoke(['nft', 'add chain inet guard in { type filter hook input priority 0; policy drop; }']);
    await provoke(['nft', 'add rule inet guard in ct state established,related accept']);
    await provoke(['nft', 'add rule inet guard in iif lo accept']);
    await provoke(['nft', 'add rule inet guard in meta l4proto icmp accept']);
    await provoke(['nft', 'add rule inet guard in iifname "mgmt*" accept']);
    await provoke(['nft', 'add set inet guard peers { type ipv4_addr; elements = { 192.0.2.12 }; }']);
    await provoke(['nft', 'add rule inet guard in ip saddr @peers udp dport 4789 accept']);
    expect((await checks.findings('h1', 'udp-port-blocked')).map(({ evidence }) => evidence)).toEqual([
      ['nftables, table inet guard, chain in from 192.0.2.13: policy drop of chain in'],
    ]);
    await provoke(['nft', 'add element inet guard peers { 192.0.2.13 }']);
    expect(await checks.findings('h1', 'udp-port-blocked')).toEqual([]);
  });

  test.each(['iptables-nft', 'iptables-legacy'])('whose %s drops VXLAN', async (program) => {
    const rule = ['-p', 'udp', '-m', 'multiport', '--dports', '53,4789', '-j', 'DROP'];
    await provoke([program, '-A', 'INPUT', ...rule], [program, '-D', 'INPUT', ...rule]);
    const [finding] = await checks.findings('h1', 'udp-port-blocked');
    expect(finding).toMatchObject({
      severity: 'SEVERITY_ERROR',
      evidence: ['192.0.2.12', '192.0.2.13'].map(
        (peer) =>
          `${program}, table filter, chain INPUT from ${peer}: -A INPUT -p udp -m multiport --dports 53,4789 -j DROP`,
      ),
      remedy: [`${program} -t filter -I INPUT -p udp --dport 4789 -j ACCEPT`],
    });
    const remedy = (finding?.remedy[0] ?? '').split(' ');
    await provoke(
      remedy,
      remedy.map((word) => (word === '-I' ? '-D' : word)),
    );
    expect(await checks.findings('h1', 'udp-port-blocked')).toEqual([]);
  });

  test('whose firewall keeps VXLAN from going out', async () => {
    const rule = ['-d', '192.0.2.13', '-p', 'udp', '--dport', '4789', '-j', 'REJECT'];
    await provoke(['iptables-nft', '-A', 'OUTPUT', ...rule], ['iptables-nft', '-D', 'OUTPUT', ...rule]);
    expect((await checks.findings('h1', 'udp-port-blocked')).map(({ title }) => title)).toEqual([
      'the firewall drops VXLAN going out: UDP port 4789',
    ]);
  });

  test('whose kernel has no VXLAN', async () => {
    // This machine's has: the host gets an `ip` that is told by the kernel that there is no such kind, as there is no `nosuch`.
    const folder = await mkdtemp(join(tmpdir(), 'weft-no-vxlan-'));
    try {
      await copyFile(IP, join(folder, 'ip'));
      const lines = [
        '#!/bin/sh',
        'case " $* " in *" type vxlan "*) set -- link add weft0 type nosuch ;; esac',
        `exec ${join(folder, 'ip')} "$@"`,
      ];
      await writeFile(join(folder, 'poorer'), `${lines.join('\n')}\n`, { mode: 0o755 });
      await checks.on('h1', 'mount', '--bind', join(folder, 'poorer'), IP);
      try {
        expect(await checks.findings('h1', 'vxlan-missing')).toMatchObject([
          {
            severity: 'SEVERITY_ERROR',
            title: 'the kernel has no VXLAN',
            evidence: ['ip link add type vxlan: Error: Unknown device type.'],
            remedy: ['modprobe vxlan'],
          },
        ]);
      } finally {
        await checks.on('h1', 'umount', IP);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    expect(await checks.findings('h1', 'vxlan-missing')).toEqual([]);
    expect(await checks.on('h1', '/usr/bin/ip', '-br', 'link')).not.toContain('weft0');
  });

  test("whose clock is not the control plane's", async () => {
    const own =
      (await checks.on('h1', 'ip', '-4', '-br', 'addr', 'show', 'mgmt0')).split(/\s+/)[2]?.split('/')[0] ?? '';
    const address = `${own}:7799`;
    await provoke(['nft', 'add', 'table', 'ip', 'elsewhere'], ['nft', 'delete', 'table', 'ip', 'elsewhere']);
    const chain = '{ type nat hook output priority -100; }';
    await checks.on(
      'h1',
      'nft',
      `add chain ip elsewhere out ${chain}; add rule ip elsewhere out tcp dport 7701 dnat to ${address}`,
    );
    await checks.during('h1', [process.execPath, WRONG_CLOCK, address, '90000'], async () => {
      const found = async () => (await checks.findings('h1', 'clock-skew'))[0];
      await eventually('the skew is found', async () => (await found()) !== undefined, 10_000);
      expect(await found()).toMatchObject({
        severity: 'SEVERITY_ERROR',
        title: expect.stringMatching(/^this host's clock is (89|90)\.\d s behind the control plane's$/) as string,
        remedy: ['timedatectl set-ntp true'],
      });
    });
  });

  test('where somebody else has the UDP port', async () => {
    // On h2, which has no network yet: on h1 the kernel has the port, and nobody else gets it.
    await checks.during('h2', ['nc', '-u', '-l', '-p', '4789'], async () => {
      await eventually('nc has it', async () => (await checks.findings('h2', 'udp-port-taken')).length > 0, 5_000);
      const [finding] = await checks.findings('h2', 'udp-port-taken');
      expect(finding).toMatchObject({
        severity: 'SEVERITY_ERROR',
        title: expect.stringMatching(/^UDP port 4789 is taken by nc \(pid \d+\)/) as string,
        evidence: [expect.stringMatching(/^ss -u -l -n -p: 0\.0\.0\.0:4789 of nc/)],
        remedy: [expect.stringMatching(/^kill \d+$/)],
      });
    });
    expect(await checks.findings('h2', 'udp-port-taken')).toEqual([]);
    // The kernel's own socket, behind the network's device, is nobody else.
    expect(await checks.on('h1', 'ss', '-H', '-u', '-l', '-n', 'sport = :4789')).toContain(':4789');
    expect(await checks.findings('h1', 'udp-port-taken')).toEqual([]);
  });

  test('where a device of another kind has the UDP port', async () => {
    await checks.on('h2', 'ip', 'link', 'add', 'other0', 'type', 'vxlan', 'external', 'dstport', '4789');
    try {
      expect((await checks.findings('h2', 'udp-port-taken')).map(({ title }) => title)).toEqual([
        'VXLAN device other0 has UDP port 4789, in a way in which it cannot be shared',
      ]);
    } finally {
      await checks.on('h2', 'ip', 'link', 'del', 'other0');
    }
  });

  test('with a narrow way to one peer: both numbers, found by asking', async () => {
    await checks.on('h3', 'ip', 'link', 'set', 'dev', 'eth0', 'mtu', '1400');
    try {
      const { findings } = await checks.ask('h1', { only: ['underlay-mtu-too-small', 'underlay-mtu-differs'] });
      const [small, differs, ...others] = findings;
      expect(others).toEqual([]);
      // A veth pair lets four bytes more pass than its MTU says, for a VLAN tag (is_skb_forwardable).
      expect(small).toMatchObject({
        check: 'underlay-mtu-too-small',
        severity: 'SEVERITY_ERROR',
        title: expect.stringMatching(
          /^the underlay carries 140[04] bytes to VTEP 192\.0\.2\.13 \(host h3\), network \S+ needs 1500$/,
        ) as string,
        evidence: [
          expect.stringMatching(
            /^eth0 has MTU 1500; of unfragmented packets to 192\.0\.2\.13 at most 140[04] bytes arrive$/,
          ),
          expect.stringMatching(/: MTU 1450, and VXLAN over IPv4 adds 50$/),
        ],
        remedy: [expect.stringMatching(/^weft network update \S+ --mtu 135[04]$/)],
      });
      expect(differs).toMatchObject({
        check: 'underlay-mtu-differs',
        severity: 'SEVERITY_WARNING',
        title: expect.stringMatching(
          /towards VTEP 192\.0\.2\.13 is not the same all the way: 1500 on eth0, 140[04] bytes arrive there$/,
        ) as string,
      });
    } finally {
      await checks.on('h3', 'ip', 'link', 'set', 'dev', 'eth0', 'mtu', '1500');
    }
    expect(await checks.findings('h1', 'underlay-mtu-too-small', 'underlay-mtu-differs')).toEqual([]);
  });

  test('whose own underlay is too small: the command that mends it', async () => {
    await provoke(
      ['ip', 'link', 'set', 'dev', 'eth0', 'mtu', '1420'],
      ['ip', 'link', 'set', 'dev', 'eth0', 'mtu', '1500'],
    );
    const findings = await checks.findings('h1', 'underlay-mtu-too-small');
    expect(findings).toHaveLength(2);
    for (const { remedy } of findings) expect(remedy).toEqual(['ip link set dev eth0 mtu 1500']);
  });

  test('one of whose peers is away, and one that nobody has', async () => {
    await checks.on('h3', 'ip', 'link', 'set', 'dev', 'eth0', 'down');
    // Else the kernel goes by what it heard a moment ago.
    await checks.on('h1', 'ip', 'neigh', 'flush', 'dev', 'eth0');
    try {
      const { findings } = await checks.ask('h1', {
        only: ['vtep-unreachable'],
        peers: ['192.0.2.99', '198.51.100.7'],
      });
      expect(findings.map(({ severity, title }) => [severity, title])).toEqual([
        ['SEVERITY_ERROR', 'VTEP 192.0.2.99 (the request) cannot be reached'],
        ['SEVERITY_ERROR', 'VTEP 198.51.100.7 (the request) cannot be reached'],
        ['SEVERITY_ERROR', 'VTEP 192.0.2.13 (host h3) cannot be reached'],
      ]);
      expect(findings[1]?.evidence).toEqual(['ip route get 198.51.100.7: there is no route']);
    } finally {
      await checks.on('h3', 'ip', 'link', 'set', 'dev', 'eth0', 'up');
    }
    expect(await checks.findings('h1', 'vtep-unreachable')).toEqual([]);
  });

  test('where a peer keeps silent about ICMP alone: that cannot be told from a loss, and it says so', async () => {
    await checks.on('h3', 'iptables-nft', '-A', 'INPUT', '-p', 'icmp', '-j', 'DROP');
    try {
      expect(await checks.findings('h1', 'vtep-unreachable')).toMatchObject([
        { severity: 'SEVERITY_WARNING', title: 'VTEP 192.0.2.13 (host h3) answers no ping' },
      ]);
      // Warnings alone have an exit code of their own.
      expect(await checks.weft('host', 'check', 'h1', '--lab', 'whc', '--only', 'vtep-unreachable')).toEqual({
        code: 8,
        out: [
          'warning  vtep-unreachable: VTEP 192.0.2.13 (host h3) answers no ping',
          '    ping 192.0.2.13 by eth0: no answer',
          '    a firewall may keep ICMP echo back and pass VXLAN; that cannot be told from here',
          '0 passed, 1 with findings, 0 skipped',
          '',
        ].join('\n'),
        err: '',
      });
    } finally {
      await checks.on('h3', 'iptables-nft', '-D', 'INPUT', '-p', 'icmp', '-j', 'DROP');
    }
  });

  test('where br_netfilter hands bridged frames to a firewall that drops them', async () => {
    const setting = 'net.bridge.bridge-nf-call-iptables';
    const before = (await checks.on('h1', 'sysctl', '-n', setting)).trim();
    await provoke(['sysctl', '-w', `${setting}=1`], ['sysctl', '-w', `${setting}=${before}`]);
    await provoke(['iptables-nft', '-P', 'FORWARD', 'DROP'], ['iptables-nft', '-P', 'FORWARD', 'ACCEPT']);
    const [finding, ...others] = await checks.findings('h1', 'bridge-filtered');
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      severity: 'SEVERITY_ERROR',
      title: expect.stringMatching(/^the firewall drops IPv4 frames between guests on bridges: brq/) as string,
      evidence: [
        `${setting} is 1: bridged frames pass the firewall as if they were forwarded`,
        expect.stringMatching(/chain FORWARD: policy drop of chain FORWARD$/),
      ],
      remedy: [`sysctl -w ${setting}=0`],
    });
    const bridged = ['-m', 'physdev', '--physdev-is-bridged', '-j', 'ACCEPT'];
    await provoke(['iptables-nft', '-A', 'FORWARD', ...bridged], ['iptables-nft', '-D', 'FORWARD', ...bridged]);
    expect(await checks.findings('h1', 'bridge-filtered')).toEqual([]);
    await checks.on('h1', 'iptables-nft', '-F', 'FORWARD');
    await checks.on('h1', ...(finding?.remedy[0] ?? '').split(' '));
    expect(await checks.findings('h1', 'bridge-filtered')).toEqual([]);
    undo.splice(-1);
  });

  test('whose way back to a peer is by another device, with rp_filter strict', async () => {
    await provoke(
      ['sysctl', '-w', 'net.ipv4.conf.eth0.rp_filter=1'],
      ['sysctl', '-w', 'net.ipv4.conf.eth0.rp_filter=0'],
    );
    expect(await checks.findings('h1', 'rp-filter')).toEqual([]);
    await provoke(
      ['ip', 'route', 'add', '192.0.2.13/32', 'dev', 'mgmt0'],
      ['ip', 'route', 'del', '192.0.2.13/32', 'dev', 'mgmt0'],
    );
    const [finding] = await checks.findings('h1', 'rp-filter');
    expect(finding).toMatchObject({
      severity: 'SEVERITY_ERROR',
      title: 'eth0 drops what peers send to it: rp_filter is strict, and the way back is by another device',
      evidence: ['net.ipv4.conf.eth0.rp_filter, or that of all, is 1', 'ip route get 192.0.2.13: dev mgmt0'],
      remedy: ['sysctl -w net.ipv4.conf.eth0.rp_filter=2'],
    });
    await checks.on('h1', ...(finding?.remedy[0] ?? '').split(' '));
    expect(await checks.findings('h1', 'rp-filter')).toEqual([]);
  });

  test('refuses what is no address, no network and no check', async () => {
    await expect(checks.ask('h1', { peers: ['h2'] })).rejects.toMatchObject({
      code: 'invalid',
      violations: [{ field: 'peers[0]' }],
    });
    await expect(checks.ask('h1', { networks: ['10.0.0.1/8'] })).rejects.toMatchObject({
      violations: [{ field: 'networks[0]' }],
    });
    await expect(checks.ask('h1', { only: ['firewall'] })).rejects.toMatchObject({
      violations: [{ field: 'only[0]', description: expect.stringContaining('udp-port-blocked') as string }],
    });
    await expect(checks.ask('h1', { peers: Array.from({ length: 65 }, () => '192.0.2.12') })).rejects.toMatchObject({
      violations: [{ field: 'peers' }],
    });
  });

  test('says so when the control plane does not answer, and looks at the rest', async () => {
    const pid = Number(
      (await inPlace({ lab: 'whc', host: 'control' }, ['pgrep', '-o', '-f', 'weft.ts up .*/whc/'])).trim(),
    );
    process.kill(pid, 'SIGSTOP');
    try {
      const { notes, checks: made } = await checks.ask('h1', { only: ['clock-skew', 'udp-port-blocked'] });
      expect(notes).toMatchObject([expect.stringContaining('the control plane does not tell of other hosts')]);
      expect(made).toMatchObject([
        { check: 'udp-port-blocked', outcome: 'CHECK_OUTCOME_PASSED' },
        { check: 'clock-skew', outcome: 'CHECK_OUTCOME_SKIPPED', reason: expect.stringMatching(/./) as string },
      ]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});
