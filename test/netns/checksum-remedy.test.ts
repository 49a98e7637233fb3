import { readlink } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { checksumRemedy } from '../../agents/dataplane/drivers/ovs/checksum-remedy.ts';
import { HostCommands } from '../../agents/dataplane/sys/command.ts';
import { startServer } from '../support/server-process.ts';
import { type Namespace, Namespaces } from './namespaces.ts';

const never = new AbortController().signal;
let namespaces: Namespaces;
let host: Namespace;

beforeEach(async () => {
  namespaces = new Namespaces();
  host = await namespaces.add('wcs-host');
});

afterEach(async () => {
  await namespaces[Symbol.asyncDispose]();
});

const remedy = async (name: string, vmId?: string): Promise<string> =>
  await checksumRemedy(
    new HostCommands(host.prefix),
    { kind: 'present', name, index: 1, ...(vmId !== undefined && { vmId }) },
    never,
  );

/** Whether the last words are a command that does it, in the namespace that has the device. */
const mends = async (sentence: string, prefix: readonly string[], device: string): Promise<boolean> => {
  const commands = new HostCommands(prefix);
  const state = async (): Promise<string> => (await commands.run(['ethtool', '--show-features', device], never)).stdout;
  expect(await state()).toContain('tx-checksumming: on');
  const command = sentence.slice('run: '.length).split(' ');
  expect((await new HostCommands(host.prefix).run(command, never)).stderr).toBe('');
  return (await state()).includes('tx-checksumming: off');
};

test('a guest in a namespace that has a name', async () => {
  const guest = await namespaces.add('wcs-guest');
  await host.veth('tap0', guest, 'net7');
  const sentence = await remedy('tap0');
  expect(sentence).toBe(`run: ip netns exec ${guest.name} ethtool -K net7 tx off`);
  expect(await mends(sentence, guest.prefix, 'net7')).toBe(true);
});

test('a guest in a namespace that has a process and no name, as of a container', async () => {
  const container = await startServer(['unshare', '--net', 'sleep', '1000'], () => Promise.resolve(true));
  const pid = container.pid.toString();
  try {
    const own = await readlink('/proc/self/ns/net');
    await eventually('it is on its own', async () => (await readlink(`/proc/${pid}/ns/net`)) !== own);
    await host.must('ip', 'link', 'add', 'tap0', 'type', 'veth', 'peer', 'name', 'eth0');
    await host.must('ip', 'link', 'set', 'eth0', 'netns', pid);
    const sentence = await remedy('tap0');
    expect(sentence).toBe(`run: nsenter -t ${pid} -n ethtool -K eth0 tx off`);
    expect(await mends(sentence, ['nsenter', '-t', pid, '-n'], 'eth0')).toBe(true);
  } finally {
    await container.kill9();
  }
});

test('a guest whose other end is beside it', async () => {
  await host.must('ip', 'link', 'add', 'tap0', 'type', 'veth', 'peer', 'name', 'other');
  expect(await remedy('tap0')).toBe('run: ethtool -K other tx off');
  expect(await mends(await remedy('tap0'), host.prefix, 'other')).toBe(true);
});

test('a virtual machine, whose driver is named for good', async () => {
  await host.must('ip', 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap');
  const start = 'run in the guest, DEVICE being its device: ethtool -K DEVICE tx off';
  expect(await remedy('tap0', 'a-vm')).toMatch(
    new RegExp(`^${start}; .* virsh edit a-vm, .*<driver name='qemu'><host csum='off' .*<guest csum='off' .*</driver>`),
  );
  expect(await remedy('tap0')).toContain('virsh edit DOMAIN,');
});

test('a guest of which nothing is known', async () => {
  const generic = 'run in the guest, DEVICE being its device: ethtool -K DEVICE tx off';
  expect(await remedy('tap0')).toBe(generic);
  await host.must('ip', 'link', 'add', 'tap0', 'type', 'bridge');
  expect(await remedy('tap0')).toBe(generic);
});
