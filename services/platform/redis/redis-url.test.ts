import { expect, test } from 'vitest';
import { parseRedisUrl } from './redis-url.ts';

test.each([
  ['redis://db', { host: 'db', port: 6_379 }],
  ['redis://db:7000/3', { host: 'db', port: 7_000, db: 3 }],
  ['redis://[fd00::1]:7000', { host: 'fd00::1', port: 7_000 }],
  ['redis://me:p%40ss@db', { host: 'db', port: 6_379, username: 'me', password: 'p@ss' }],
  ['rediss://db', { host: 'db', port: 6_379, tls: {} }],
  ['/run/weft/redis.sock', { path: '/run/weft/redis.sock' }],
  ['unix:///run/weft/redis.sock', { path: '/run/weft/redis.sock' }],
  [
    'redis+sentinel://s1,s2:7000,[fd00::1]:7001/main',
    {
      sentinels: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 7_000 },
        { host: 'fd00::1', port: 7_001 },
      ],
      name: 'main',
    },
  ],
  [
    'redis+sentinel://:secret@s1/main/2',
    { sentinels: [{ host: 's1', port: 26_379 }], name: 'main', password: 'secret', db: 2 },
  ],
])('%s says where redis is', (url, address) => {
  expect(parseRedisUrl(url)).toEqual(address);
});

test.each(['', 'db:6379', 'http://db', 'redis://', 'redis://db/x', 'redis+sentinel://s1', 'redis+sentinel:///main'])(
  '%s is refused',
  (url) => {
    expect(() => parseRedisUrl(url)).toThrow(
      expect.objectContaining({ code: 'invalid', violations: [expect.objectContaining({ field: 'redis_url' })] }),
    );
  },
);

test('a refusal never shows the password', () => {
  expect(() => parseRedisUrl('redis://me:secret@db/x')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') as string }),
  );
});
