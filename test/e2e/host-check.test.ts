import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { HostChecks } from '../system/host-check-lab.ts';
import { LabWeft } from '../system/lab-weft.ts';

/** A mesh of hosts whose tunnels are the kernel's, each thing that can be amiss with one provoked and taken back. */
describe('a host with Linux bridges', () => {
  let lab: LabWeft;
  let checks: HostChecks;
  const undo: (readonly string[])[] = [];

  beforeAll(async () => {
    lab = await LabWeft.up({ name: 'whc', hosts: 3 });
    checks = new HostChecks('whc');
    await eventually('all hosts are known', async () => (await checks.ask('h1')).peers.length === 2, 10_000);
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

  test('is fit as it is', async () => {
    const { findings, checks: made } = await checks.ask('h1');
    expect(findings).toEqual([]);
    expect(made.length).toBeGreaterThan(1);
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
});
