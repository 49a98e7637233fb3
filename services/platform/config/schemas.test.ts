import { describe, expect, test } from 'vitest';
import { address, durationMs, path, port, urlList } from './schemas.ts';

test.each([
  ['250ms', 250],
  ['10s', 10_000],
  ['1.5m', 90_000],
  ['2h', 7_200_000],
  ['750', 750],
  [750, 750],
  ['0', 0],
])('%j is a time of %d ms', (text, ms) => {
  expect(durationMs().parse(text)).toBe(ms);
});

test.each(['', 'soon', '10 s', '-1s', '1d', '10sec', '1e3', '999999h', -5, Number.NaN])('%j is no time', (text) => {
  expect(durationMs().safeParse(text).success).toBe(false);
});

test('a time keeps to its bounds', () => {
  const schema = durationMs({ min: 1_000, max: 60_000 });
  expect(schema.safeParse('999ms').success).toBe(false);
  expect(schema.safeParse('61s').success).toBe(false);
  expect(schema.parse('1m')).toBe(60_000);
});

describe('an address', () => {
  test.each(['unix:/run/weft/agent.sock', '127.0.0.1:0', '[::1]:50051', 'redis.example:6379', 'a_b:1'])(
    'may be %s',
    (text) => {
      expect(address.parse(text)).toBe(text);
    },
  );

  test.each([
    '',
    'localhost',
    ':80',
    '::1:80',
    '[::1',
    '[::g]:1',
    '[1.2.3.4]:1',
    'host:65536',
    'host:-1',
    'host:http',
    'unix:',
    'unix:relative',
    'a b:1',
    `unix:/${'x'.repeat(107)}`,
    'unix:/a\0b',
  ])('is not %j', (text) => {
    expect(address.safeParse(text).success).toBe(false);
  });

  test('of a socket has room for all that the kernel takes', () => {
    expect(address.safeParse(`unix:/${'x'.repeat(106)}`).success).toBe(true);
  });
});

test('a list of URLs has one or more, each with a scheme of its own kind', () => {
  const urls = urlList(['nats', 'tls']);
  expect(urls.parse(['nats://a:4222', 'tls://b'])).toEqual(['nats://a:4222', 'tls://b']);
  for (const bad of [[], ['http://a'], ['nats'], [''], ['nats://a', 'x']])
    expect(urls.safeParse(bad).success).toBe(false);
});

test('a path comes out absolute', () => {
  expect(path.parse('a/../b')).toBe(`${process.cwd()}/b`);
  expect(path.parse('/var/lib/weft')).toBe('/var/lib/weft');
  expect(path.safeParse('').success).toBe(false);
  expect(path.safeParse('a\0b').success).toBe(false);
});

test('a port has 16 bits and is not 0', () => {
  expect([1, 65_535, 0, 65_536, 1.5].map((value) => port.safeParse(value).success)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
