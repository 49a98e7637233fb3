/** What is no id, host, name, address, network or device, and what shells and parsers trip over. */
export const LONG = 'n'.repeat(256);
export const SHELL = '$(reboot); `reboot` | reboot && reboot';
export const ids = ['x', SHELL, '\u0000', '00000000-0000-0000-0000-00000000000g', '../..', LONG, '*', '>'];
export const hosts = [SHELL, '-h1', 'h1..h2', 'h 1', '>', '*', 'h1\n', 'é', 'h'.repeat(64)];
export const names = [LONG, 'a\u0000b', 'line\nbreak', '\u2028'];
export const macs = [
  'x',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '00:00:00:00:00:00',
  'fa:16:3e:00:00',
  'fa:16:3e:00:00:00:00',
  SHELL,
];
export const ips = [
  'x',
  '256.1.1.1',
  '1.2.3',
  '1.2.3.4/24',
  '::g',
  'fe80::1%eth0',
  '01.2.3.4',
  SHELL,
  '224.0.0.1',
  'ff02::1',
  '0.0.0.0',
  '::',
];
export const cidrs = [
  'x',
  '172.16.9.1/24',
  '172.16.9.0/33',
  '172.16.9.0',
  '172.16.9.0/-1',
  '2001:db8::1/64',
  '2001:db8::/129',
  '/24',
  SHELL,
];
export const devices = [
  'sixteen-bytes-16',
  'a b',
  'a/b',
  '..',
  'a\nlink delete dev eth0',
  '-force',
  '"',
  '#',
  'tap%d',
  'all',
];
export const masks = [['nonsense'], ['id', 'etag; drop'], ['*', SHELL], ['__proto__'], ['constructor'], ['']].map(
  (paths) => ({
    paths,
  }),
);
export const tokens = ['x', SHELL, Buffer.from('[1,2').toString('base64url'), 'A'.repeat(10_000)];
export const sizes = [-1, -(2 ** 31)];
