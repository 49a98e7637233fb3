import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';

const LAB = 'wdh2';
const SERVERS = ['n1', 'n2'] as const;
/** What of an answer is the network's, and not of the server that gives it. */
const SAID = ['ip', 'subnet', 'router', 'dns', 'mtu', 'domain', 'lease'];

describe('two DHCP servers of one network', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let guest: Port;
  let script: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-dhcp-'));
    stack.defer(() => {
      rmSync(folder, { recursive: true });
    });
    script = join(folder, 'tell');
    const lines = SAID.map((word) => `echo "${word}=$${word}"`);
    writeFileSync(script, `#!/bin/sh\n[ "$1" = bound ] || exit 0\n${lines.join('\n')}\n`, { mode: 0o755 });
    weft = stack.use(
      await LabWeft.up({
        ...{ name: LAB, hosts: [...SERVERS, 'cmp'], roles: ['network', 'network', 'compute'] },
        drivers: ['linuxbridge', 'ovs', 'linuxbridge'],
        upFlags: ['--dhcp-hosts-per-network', '2'],
      }),
    );
    const network = await weft.network({ name: 'blue' });
    await weft.subnet(network, '172.16.1.0/24', { dns_nameservers: ['8.8.4.4'] });
    guest = await weft.port(network, { name: 'g1' });
    await weft.boot('g1', 'cmp', guest, network, true);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const serverOf = (host: string): number | undefined => {
    const file = `/var/lib/weft-lab/${LAB}/data/${host}/agent/dhcp/${guest.network_id}/pid`;
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  };

  test('answer alike, and each of them alone is enough', async () => {
    await eventually(
      'both serve',
      () => Promise.resolve(SERVERS.every((host) => serverOf(host) !== undefined)),
      15_000,
    );
    const answers: string[] = [];
    for (const [at, host] of SERVERS.entries()) {
      const silent = serverOf(SERVERS[1 - at] ?? '') ?? 0;
      process.kill(silent, 'SIGSTOP');
      try {
        let said = '';
        const isAnswered = async (): Promise<boolean> => {
          const argv = ['udhcpc', '-i', 'eth0', '-f', '-n', '-q', '-t', '4', '-T', '1', '-s', script];
          const { exitCode, stdout } = await tryInPlace({ lab: LAB, vm: 'g1' }, argv);
          said = stdout;
          return exitCode === 0;
        };
        await eventually(`${host} answers`, isAnswered, 15_000);
        answers.push(said);
      } finally {
        process.kill(silent, 'SIGCONT');
      }
    }
    const [ip] = guest.fixed_ips.map(({ ip_address }) => ip_address);
    expect(answers[0]).toContain(`ip=${ip ?? ''}\nsubnet=255.255.255.0\nrouter=172.16.1.1\ndns=8.8.4.4\nmtu=1450\n`);
    expect(answers[1]).toBe(answers[0]);
    expect(await inPlace({ lab: LAB, vm: 'g1' }, ['ip', '-4', 'addr', 'show', 'eth0'])).toContain(`${ip ?? ''}/24`);
  });
});
