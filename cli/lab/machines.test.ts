import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { labDown } from './down.ts';
import { labRun } from './exec.ts';
import { vmKill, vmList } from './guests.ts';
import { vmMove } from './guest-move.ts';
import { labLibvirtUp } from './libvirt.ts';
import { machineBoot, machineConsole, machinePlug, machineRun, machineUnplug } from './machines.ts';
import { processKill9, processStart } from './processes.ts';
import { LIBVIRT_DIRS } from './shared-folders.ts';
import { labList, labStatus } from './status.ts';
import { holdersOf, leftovers } from './testing/leftovers.ts';
import { lacksLibvirt } from './testing/libvirt.ts';
import { labUp } from './up.ts';

const signal = new AbortController().signal;
const lab = 'wlvm';
const host = 'h1';
const shared = LIBVIRT_DIRS.filter((path) => existsSync(path));
const lack = await lacksLibvirt();

const output = async (...argv: readonly string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await labRun({ lab, host }, argv, { deadlineMs: 30_000 }, signal);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${exitCode.toString()}: ${stderr}${stdout}`);
  return stdout.trim();
};

const spec = (number: number) => ({
  id: `aaaaaaaa-0000-4000-8000-00000000000${number.toString()}`,
  mac: `52:54:00:aa:00:0${number.toString()}`,
  ips: [{ address: `10.9.0.${number.toString()}`, prefix: 24 }],
  mtu: 1450,
});

const boots = async (name: string, number: number) =>
  await machineBoot({ lab, host, name, network: 'plain', port: spec(number) }, signal);

/** A libvirt network on a bridge, without any agent. */
const furnish = async (): Promise<void> => {
  // A run that was killed may have left it.
  await labDown(lab, {}, signal);
  await labUp({ name: lab, hosts: 2 }, signal);
  await labLibvirtUp({ lab, host }, signal);
  await output('ip', 'link', 'add', 'br9', 'type', 'bridge');
  await output('ip', 'link', 'set', 'br9', 'up');
  const folder = labStatus(lab).stateDir;
  const xml = "<network><name>plain</name><forward mode='bridge'/><bridge name='br9'/></network>";
  writeFileSync(`${folder}/data/${host}/plain.xml`, xml);
  await output('virsh', 'net-define', '/var/lib/weft/plain.xml');
  await output('virsh', 'net-start', 'plain');
};

const nothingIsLeft = (): void => {
  expect([...leftovers(lab, '/weft-lab-wlvm'), ...holdersOf(lab)]).toEqual([]);
  // Another lab's hosts are mounted on the same.
  if (labList().length === 0) expect(LIBVIRT_DIRS.filter((path) => existsSync(path))).toEqual(shared);
};

describe.skipIf(lack !== undefined)(
  `virtual machines on hosts of a lab${lack === undefined ? '' : ` (${lack})`}`,
  () => {
    beforeAll(async () => {
      await furnish();
    });

    afterAll(async () => {
      await labDown(lab, {}, signal);
    });

    test('boot, have their address, answer each other, and are run commands in', async () => {
      const [one] = await Promise.all([boots('vm-1', 1), boots('vm-2', 2)]);
      expect(one).toMatchObject({ alive: true, isMachine: true, tap: expect.stringMatching(/^vnet\d+$/) as string });
      const quoting = await machineRun({ lab, name: 'vm-1' }, ['echo', `it's "$HOME" \\ ;`], 60_000, signal);
      expect(quoting).toEqual({ exitCode: 0, stdout: `it's "$HOME" \\ ;\n`, stderr: '' });
      expect(await machineRun({ lab, name: 'vm-1' }, ['sh', '-c', 'exit 7'], 60_000, signal)).toMatchObject({
        exitCode: 7,
      });
      const ping = ['ping', '-c', '3', '-W', '5', '10.9.0.2'];
      expect(await machineRun({ lab, name: 'vm-1' }, ping, 60_000, signal)).toMatchObject({ exitCode: 0 });
      const echo = ['sh', '-c', 'head -c 100000 /dev/zero | nc 10.9.0.2 7 | wc -c'];
      expect((await machineRun({ lab, name: 'vm-1' }, echo, 60_000, signal)).stdout.trim()).toBe('100000');
      expect(machineConsole({ lab, name: 'vm-1' })).toContain('GUEST-UP vm-1');
    });

    test('are given cards and have them taken away while they run', async () => {
      const mac = '52:54:00:aa:01:01';
      const cards = async (): Promise<string> =>
        (await machineRun({ lab, name: 'vm-1' }, ['ip', 'link'], 20_000, signal)).stdout;
      const device = await machinePlug({ lab, name: 'vm-1' }, { network: 'plain', mac, mtu: 1450 }, signal);
      expect(await output('ip', '-brief', 'link', 'show', 'master', 'br9')).toContain(device);
      await eventually('the guest has the card', async () => (await cards()).includes(mac), 20_000);
      await machineUnplug({ lab, name: 'vm-1' }, mac, signal);
      await eventually('the guest has let it go', async () => !(await cards()).includes(mac), 20_000);
    });

    test('refuse a second of their name, a host without libvirt, and what only a namespace can', async () => {
      await expect(boots('vm-1', 3)).rejects.toMatchObject({ code: 'exists' });
      const elsewhere = machineBoot({ lab, host: 'h2', name: 'vm-3', network: 'plain', port: spec(3) }, signal);
      await expect(elsewhere).rejects.toMatchObject({ code: 'precondition', reason: 'NO_LIBVIRT' });
      const noNetwork = machineBoot({ lab, host, name: 'vm-3', network: 'none', port: spec(3) }, signal);
      await expect(noNetwork).rejects.toThrow("no network with matching name 'none'");
      await expect(vmMove({ lab, name: 'vm-1', toHost: 'h2' }, signal)).rejects.toMatchObject({
        reason: 'GUEST_IS_MACHINE',
      });
      await expect(labLibvirtUp({ lab, host }, signal)).rejects.toMatchObject({ code: 'exists' });
      expect(vmList(lab).map(({ name }) => name)).toEqual(['vm-1', 'vm-2']);
      expect((await output('virsh', 'list', '--all', '--name')).split('\n').sort()).toEqual(['vm-1', 'vm-2']);
    });

    test('outlive their libvirtd, and end by kill', async () => {
      await processKill9({ lab, host, process: 'libvirtd' }, signal);
      await processStart({ lab, host, process: 'libvirtd' }, signal);
      expect((await machineRun({ lab, name: 'vm-2' }, ['hostname'], 20_000, signal)).stdout).toBe('vm-2\n');
      const tap = vmList(lab).find(({ name }) => name === 'vm-2')?.tap;
      await vmKill({ lab, name: 'vm-2' }, signal);
      expect(vmList(lab).map(({ name, alive }) => [name, alive])).toEqual([['vm-1', true]]);
      expect(await output('ip', '-brief', 'link', 'show', 'master', 'br9')).not.toContain(tap);
    });

    test('go with the lab, also where everything was killed', async () => {
      await labDown(lab, {}, signal);
      nothingIsLeft();
      await furnish();
      await boots('vm-1', 1);
      await processKill9({ lab, host, process: 'libvirtd' }, signal);
      await labDown(lab, {}, signal);
      nothingIsLeft();
    });
  },
);
