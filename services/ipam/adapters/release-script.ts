import { REPLAY_SECONDS } from './allocate-script.ts';

/**
 * Takes from a holder what the filters name.
 *
 * KEYS: the holder's leases, the request's replay record; then for each space: its leases, its pool, its released keys.
 * ARGV: the release, as `ReleaseArguments` in JSON. Replies {'released', leases as lines}, {'reused'}, or {'stale'}: the
 * holder has leases to be released in a space that is not among those given.
 */
export const RELEASE_SCRIPT = `
local q = cjson.decode(ARGV[1])
local HOLDER, REPLAY = KEYS[1], KEYS[2]
if q.print ~= '' then
  local kept = redis.call('HGET', REPLAY, 'd')
  if kept then
    local replay = cjson.decode(kept)
    if replay.request ~= q.print then return {'reused'} end
    return {'released', replay.answer}
  end
end
local placeOf = {}
for s, id in ipairs(q.spaces) do placeOf[id] = s end

local function wanted(space, key)
  if #q.filters == 0 then return true end
  for _, filter in ipairs(q.filters) do
    if (not filter.space or filter.space == space) and (not filter.key or filter.key == key) then return true end
  end
  return false
end

local gone, lines = {}, {}
for _, member in ipairs(redis.call('ZRANGE', HOLDER, 0, -1)) do
  local key, space, group, ms = string.match(member, '^([^/]+)/([^/]+)/([^/]*)/(%d+)$')
  if (not q.group or q.group == group) and wanted(space, key) then
    if not placeOf[space] then return {'stale'} end
    gone[#gone + 1] = {key = key, s = placeOf[space], member = member, lease = key .. '/' .. q.holder .. '/' .. group .. '/' .. ms}
    lines[#lines + 1] = member
  end
end
local answer = table.concat(lines, '\\n')
if q.dry then return {'released', answer} end

local function isBehind(pool, key)
  local state = redis.call('HMGET', pool, 'l', 'n')
  if not state[1] then return false end
  local pointers = string.gmatch(state[2], '[^,]+')
  for first, last in string.gmatch(state[1], '([^,-]+)-([^,]+)') do
    local pointer = pointers()
    if first <= key and key <= last then return pointer == '-' or key < pointer end
  end
  return false
end

for _, lease in ipairs(gone) do
  local leases, pool, released = KEYS[lease.s * 3], KEYS[lease.s * 3 + 1], KEYS[lease.s * 3 + 2]
  redis.call('ZREM', HOLDER, lease.member)
  redis.call('ZREM', leases, lease.lease)
  if isBehind(pool, lease.key) then
    redis.call('ZADD', released, redis.call('HINCRBY', pool, 's', 1), lease.key)
  end
end
if q.print ~= '' then
  redis.call('HSET', REPLAY, 'v', 1, 'd', cjson.encode({request = q.print, answer = answer}))
  redis.call('EXPIRE', REPLAY, ${REPLAY_SECONDS.toString()})
end
return {'released', answer}
`;

/** KEYS: a space's leases, its pool, its released keys. Removes the latter two unless there are leases. */
export const FORGET_SCRIPT = `
if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('UNLINK', KEYS[2], KEYS[3]) end
return {}
`;
