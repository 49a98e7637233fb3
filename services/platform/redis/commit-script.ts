import type { Result } from 'ioredis';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** {@link COMMIT_SCRIPT}: the number of keys, the keys, the arguments. */
    weftCommit(keyCount: number, ...keysAndArguments: readonly (string | Buffer)[]): Result<unknown, Context>;
  }
}

/** Seconds a deleted record's version is remembered, so that the id's next life goes on counting. */
const TOMBSTONE_SECONDS = 86_400;

/**
 * The one script that writes. All keys share a hash tag, so it runs on one node of a cluster.
 *
 * KEYS: the outbox stream, one hash (v: version, d: data) per record, then the index sets.
 * ARGV: the number of records, then for each: expected version, operation ('' none, 'p' put, 'd' delete), new version,
 * data, seconds to live (0: for ever); the number of index steps, then for each: '+' or '-', place in KEYS, member; the
 * number of events, then for each: subject, payload, headers.
 *
 * Returns {1, outbox ids} when committed; {0, lost} when a version differs: for each such record its place (from 1), its
 * version and whether it lives. Versions travel as text: Lua's numbers would print 1e+15 and beyond otherwise.
 */
export const COMMIT_SCRIPT = `
local at = 1
local function take() at = at + 1; return ARGV[at - 1] end
local count = tonumber(take())
local first = at
local lost = {}
for i = 1, count do
  local found = redis.call('HMGET', KEYS[1 + i], 'v', 'd')
  if (found[1] or '0') ~= ARGV[at] then
    lost[#lost + 1] = {i, found[1] or '0', found[2] and 1 or 0}
  end
  at = at + 5
end
if #lost > 0 then return {0, lost} end
at = first
for i = 1, count do
  local key = KEYS[1 + i]
  take()
  local operation, version, data, ttl = take(), take(), take(), tonumber(take())
  if operation == 'p' then
    redis.call('HSET', key, 'v', version, 'd', data)
    if ttl > 0 then redis.call('EXPIRE', key, ttl) else redis.call('PERSIST', key) end
  elseif operation == 'd' then
    redis.call('HSET', key, 'v', version)
    redis.call('HDEL', key, 'd')
    redis.call('EXPIRE', key, ${TOMBSTONE_SECONDS.toString()})
  end
end
for _ = 1, tonumber(take()) do
  local step, key, member = take(), KEYS[tonumber(take())], take()
  if step == '+' then redis.call('ZADD', key, 0, member) else redis.call('ZREM', key, member) end
end
local ids = {}
for i = 1, tonumber(take()) do
  ids[i] = redis.call('XADD', KEYS[1], '*', 's', take(), 'p', take(), 'h', take())
end
return {1, ids}
`;
