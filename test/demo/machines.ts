import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { machineRun } from '../../cli/lab/index.ts';
import { inPlace, kernelTables } from '../system/kernel.ts';
import type { LabWeft } from '../system/lab-weft.ts';
import type { DemoVoice } from './voice.ts';

const MACHINES = [
  { name: 'kvm1', host: 'h2' },
  { name: 'kvm2', host: 'h3' },
] as const;
const BOOT_MS = 90_000;

/**
 * Virtual machines of libvirt, one on a Linux bridge and one on Open vSwitch: they boot, reach each other, one crashes. `guests`
 * are in the network already; afterwards it is as before.
 */
export const demoMachines = async (
  lab: LabWeft,
  network: Network,
  guests: number,
  { command, verify }: Pick<DemoVoice, 'command' | 'verify'>,
): Promise<void> => {
  const signal = AbortSignal.timeout(300_000);
  const ports = new Map<string, Port>();
  for (const { name, host } of MACHINES) {
    const port = await lab.port(network, { name });
    ports.set(name, port);
    await command('lab', 'vm', 'boot', name, host, '--port', port.id, '--real');
  }
  await command('libvirt', 'network', 'list', '--host', 'h3');
  await lab.converged(network.id, guests + MACHINES.length);
  verify(true, 'libvirt plugged them, and every host has learned where they are');

  const run = async (name: string, ...argv: readonly string[]): Promise<string> =>
    (await machineRun({ lab: lab.name, name }, argv, BOOT_MS, signal)).stdout;
  await run('kvm2', 'true');
  for (const { ip_address } of ports.get('kvm2')?.fixed_ips ?? []) {
    const ping = ip_address.includes(':') ? 'ping6' : 'ping';
    const said = await run('kvm1', ping, '-c', '3', '-W', '5', ip_address);
    verify(said.includes(' 3 packets received'), `kvm1 pings kvm2 at ${ip_address}`);
    const echo = `head -c 100000 /dev/zero | nc -w 20 ${ip_address} 7 | wc -c`;
    verify((await run('kvm1', 'sh', '-c', echo)).trim() === '100000', 'and exchanges 100 kB over TCP with it');
  }

  await inPlace({ lab: lab.name, host: 'h3' }, ['sh', '-c', 'kill -9 $(cat /run/libvirt/qemu/kvm2.pid)']);
  await lab.converged(network.id, guests + 1);
  const { fdb } = await kernelTables(lab.name, 'h1', `vxlan-${network.segmentation_id.toString()}`);
  verify(
    !fdb.has(ports.get('kvm2')?.mac_address ?? ''),
    'qemu of kvm2 is killed (-9): the other hosts have no row for it any more',
  );

  for (const { name, host } of MACHINES) {
    await lab.kill(name);
    await lab.deletePort(ports.get(name)?.id ?? '');
    await command('libvirt', 'network', 'delete', network.name, '--host', host);
  }
};
