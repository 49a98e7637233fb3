import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { commands } from './commands/index.ts';
import { run } from './run.ts';
import { GLOBAL_FLAGS } from './usage.ts';

const weft = async (...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> => {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const code = await run(argv, out, err);
  out.end();
  err.end();
  return { code, out: await text(out), err: await text(err) };
};

describe('the command line', () => {
  test('lists its commands and exit codes with --help, and without a word ends with 2', async () => {
    const { code, out } = await weft('--help');
    expect(code).toBe(0);
    for (const command of ['weft up', 'weft agent', 'weft network create', 'weft explain port', 'weft lab up'])
      expect(out).toContain(command);
    expect(out).toContain('Exit codes:');
    expect((await weft()).code).toBe(2);
  });

  test.each([
    [['nonsense'], '"nonsense" is not a command'],
    [['network', 'destroy'], 'there are: network create, network list'],
    [['network', 'get'], 'NETWORK is missing'],
    [['network', 'list', 'x'], '"x" is one argument too many'],
    [['network', 'create', 'blue', '--vnii', '7'], "'--vnii'"],
    [['network', 'create', 'blue', '--vni', 'seven'], '--vni: "seven" is not a whole number'],
    [['network', 'create', 'blue', '--type', 'gre'], 'is not vxlan, flat or vlan'],
    [['network', 'create', 'blue', '--vlan', '7'], '--vlan: needs --type vlan'],
    [['subnet', 'create', 'blue', '2001:db8::/64', '--ipv6-mode', 'auto'], 'is not dhcpv6-stateful,'],
    [['router', 'create', 'r1', '--no-snat'], 'need --gateway'],
    [['router', 'interface', 'add', 'r1'], 'give either SUBNET or --port'],
    [['router', 'update', 'r1', '--route', '10.0.0.0/8'], 'is not CIDR,NEXTHOP'],
    [['floating-ip', 'update', '10.0.0.1'], 'give --port or --fixed-address'],
    [['network', 'list', '-o', 'xml'], '"xml" is not table, json or yaml'],
    [['subnet', 'create', 'blue', '10.0.0.0/8', '--pool', '10.0.0.1', '--address', 'unix:/nowhere'], ''],
    [['overlay', 'apply'], '-f FILE is missing'],
    [['overlay', 'apply', '-f', '/nonexistent.yaml'], '/nonexistent.yaml cannot be read'],
    [['lab', 'agent', 'shoot', 'h1'], '"shoot" is not start, stop, restart or kill'],
  ])('%j is a mistake it names, with exit code 2 or 6', async (argv, words) => {
    const { code, out, err } = await weft(...argv);
    expect([2, 6]).toContain(code);
    expect(err).toContain(words);
    expect(out).toBe('');
  });

  test('has no flag of a command that hides one of all commands', () => {
    const hiding = commands.flatMap(({ path, flags = {} }) =>
      Object.keys(flags)
        .filter((flag) => flag in GLOBAL_FLAGS)
        .map((flag) => `${path} --${flag}`),
    );
    expect(hiding).toEqual([]);
  });

  test('says what cannot be reached, with exit code 6', async () => {
    const { code, err } = await weft('network', 'list', '--address', 'unix:/nonexistent/weft.sock');
    expect(code).toBe(6);
    expect(err).toContain('/nonexistent/weft.sock');
  });

  test.each(['network create', 'port wait', 'lab vm boot', 'explain port', 'status'])('helps with %s', async (path) => {
    const { code, out } = await weft(...path.split(' '), '--help');
    expect(code).toBe(0);
    expect(out).toContain(`usage: weft ${path}`);
  });
});
