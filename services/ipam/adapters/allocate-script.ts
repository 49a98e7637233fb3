/** Seconds an answered request is remembered, as the store remembers its own. */
export const REPLAY_SECONDS = 86_400;

/** Keys walked over in one run at most: what is longer is done in several, so that nobody else waits for it. */
const WALK = 2_000;

/** Keys walked over in vain that are worth a write. */
const WORTH_KEEPING = 100;

/**
 * Gives a holder all it wants or nothing.
 *
 * KEYS: the fence's record, the holder's leases, the request's replay record; then for each space: its leases, its pool,
 * its released keys, its guard's record. ARGV: the request, as `AllocateArguments` in JSON.
 *
 * A lease stands twice, as a member of two sorted sets whose scores are all 0, so that members are in byte order:
 * `key/holder/group/ms` in its space, `key/space/group/ms` with its holder. A pool is a hash: `l` the ranges it was laid
 * out for, `n` the next key of each that was never given (`-`: none), `s` a counter. Released keys are a sorted set by that
 * counter. At any time a key in a range is either at or after its `n`, or held, or released, and nothing of these twice.
 *
 * Replies {'held', leases as lines}, {'stale'}, {'full' or 'taken', rank of the want}, {'occupied', lease}, {'reused'}, or
 * {'again'}: some way was made, ask again.
 */
export const ALLOCATE_SCRIPT = `
local q = cjson.decode(ARGV[1])
local FENCE, HOLDER, REPLAY = KEYS[1], KEYS[2], KEYS[3]
local function leasesKey(s) return KEYS[s * 4] end
local function poolKey(s) return KEYS[s * 4 + 1] end
local function releasedKey(s) return KEYS[s * 4 + 2] end
local function guardKey(s) return KEYS[s * 4 + 3] end

if q.print ~= '' then
  local kept = redis.call('HGET', REPLAY, 'd')
  if kept then
    local replay = cjson.decode(kept)
    if replay.request ~= q.print then return {'reused'} end
    return {'held', replay.answer}
  end
end
if q.fence ~= '' then
  local found = redis.call('HMGET', FENCE, 'v', 'd')
  if (found[2] and found[1] or '0') ~= q.fence then return {'stale'} end
end

local placeOf = {}
for s, space in ipairs(q.spaces) do placeOf[space.id] = s end
local has = {}
for _, member in ipairs(redis.call('ZRANGE', HOLDER, 0, -1)) do
  local key, space, group = string.match(member, '^([^/]+)/([^/]+)/([^/]*)/')
  if group == q.group then has[#has + 1] = {key = key, space = placeOf[space], text = member} end
end

local function contains(list, item)
  for _, other in ipairs(list) do if other == item then return true end end
  return false
end
local met, unmet = {}, {}
for _, want in ipairs(q.wants) do
  local found
  for _, lease in ipairs(has) do
    if not lease.used and contains(want.from, lease.space) and (want.loose or want.keys[1] == lease.key) then
      found = lease
      break
    end
  end
  if found then
    found.used = true
    met[want.rank] = found.text
  else
    unmet[#unmet + 1] = want
  end
end
if q.single then
  for _, lease in ipairs(has) do if not lease.used then return {'occupied', lease.text} end end
end

local planned = {}
local function isFree(s, key)
  if planned[s .. '/' .. key] then return false end
  return #redis.call('ZRANGEBYLEX', leasesKey(s), '[' .. key .. '/', '(' .. key .. '0', 'LIMIT', 0, 1) == 0
end

local pools = {}
local function poolOf(s)
  local pool = pools[s]
  if pool then return pool end
  local layout = q.spaces[s].layout
  pool = {ranges = {}, next = {}, skip = 0}
  for first, last in string.gmatch(layout, '([^,-]+)-([^,]+)') do pool.ranges[#pool.ranges + 1] = {first, last} end
  local state = redis.call('HMGET', poolKey(s), 'l', 'n')
  if state[1] == layout then
    for key in string.gmatch(state[2], '[^,]+') do pool.next[#pool.next + 1] = key end
  else
    -- Other ranges than before: all that is not held is ahead again.
    pool.fresh = true
    for i, range in ipairs(pool.ranges) do pool.next[i] = range[1] end
  end
  pools[s] = pool
  return pool
end

local UP = {['0'] = '1', ['1'] = '2', ['2'] = '3', ['3'] = '4', ['4'] = '5', ['5'] = '6', ['6'] = '7', ['7'] = '8',
  ['8'] = '9', ['9'] = 'a', ['a'] = 'b', ['b'] = 'c', ['c'] = 'd', ['d'] = 'e', ['e'] = 'f'}
local function successor(key)
  local tail = #string.match(key, 'f*$')
  local at = #key - tail
  return string.sub(key, 1, at - 1) .. UP[string.sub(key, at, at)] .. string.rep('0', tail)
end

local walked = 0
local function nextFree(s)
  local pool = poolOf(s)
  for i, range in ipairs(pool.ranges) do
    while pool.next[i] ~= '-' do
      if walked == ${WALK.toString()} then return nil, 'tired' end
      walked = walked + 1
      local key = pool.next[i]
      pool.moved = true
      pool.next[i] = key == range[2] and '-' or successor(key)
      if isFree(s, key) then return key, 'ahead' end
    end
  end
  while not pool.fresh do
    local key = redis.call('ZRANGE', releasedKey(s), pool.skip, pool.skip)[1]
    if not key then return nil, 'none' end
    pool.skip = pool.skip + 1
    if isFree(s, key) then return key, 'released' end
  end
  return nil, 'none'
end

local function savePool(s, pool)
  if pool.fresh then redis.call('UNLINK', releasedKey(s)) end
  if pool.fresh or pool.moved then
    redis.call('HSET', poolKey(s), 'l', q.spaces[s].layout, 'n', table.concat(pool.next, ','))
  end
end

local function isBehind(s, key)
  local pool = pools[s]
  for i, range in ipairs(pool and pool.ranges or {}) do
    if range[1] <= key and key <= range[2] then return pool.next[i] == '-' or key < pool.next[i] end
  end
  return false
end

local given = {}
-- Nobody shall walk far over the same held keys again. Where something was planned, it stays where it was.
local function full(rank)
  if walked < ${WORTH_KEEPING.toString()} then return {'full', rank} end
  local planning = {}
  for _, new in ipairs(given) do planning[new.s] = true end
  for s, pool in pairs(pools) do if not planning[s] then savePool(s, pool) end end
  return {'full', rank}
end

-- The way made so far is kept; what was planned on it is not given after all, so it is released.
local function again()
  for s, pool in pairs(pools) do savePool(s, pool) end
  for _, new in ipairs(given) do
    if isBehind(new.s, new.key) then
      redis.call('ZADD', releasedKey(new.s), redis.call('HINCRBY', poolKey(new.s), 's', 1), new.key)
    end
  end
  return {'again'}
end

for _, want in ipairs(unmet) do
  local key, place, how
  if want.keys then
    how = 'chosen'
    place = want.from[1]
    for _, candidate in ipairs(want.keys) do
      if isFree(place, candidate) then key = candidate; break end
    end
    if not key then return {'taken', want.rank} end
  else
    for _, s in ipairs(want.from) do
      key, how = nextFree(s)
      if how == 'tired' then return again() end
      if key then place = s; break end
    end
    if not key then return full(want.rank) end
  end
  planned[place .. '/' .. key] = true
  given[#given + 1] = {s = place, key = key, how = how}
  met[want.rank] = key .. '/' .. q.spaces[place].id .. '/' .. q.group .. '/' .. q.now
end

local lines = {}
for rank = 1, #q.wants do lines[rank] = met[rank] end
for _, lease in ipairs(has) do if not lease.used then lines[#lines + 1] = lease.text end end
local answer = table.concat(lines, '\\n')
if q.dry then return {'held', answer} end

for s, pool in pairs(pools) do savePool(s, pool) end
local guarded = {}
for _, new in ipairs(given) do
  local s, key = new.s, new.key
  redis.call('ZADD', leasesKey(s), 0, key .. '/' .. q.holder .. '/' .. q.group .. '/' .. q.now)
  redis.call('ZADD', HOLDER, 0, key .. '/' .. q.spaces[s].id .. '/' .. q.group .. '/' .. q.now)
  if new.how ~= 'ahead' then redis.call('ZREM', releasedKey(s), key) end
  if q.fence ~= '' and not guarded[s] then
    guarded[s] = true
    redis.call('HINCRBY', guardKey(s), 'v', 1)
    -- A deleted record is remembered for a while only; this one lives again.
    if redis.call('HSETNX', guardKey(s), 'd', '') == 1 then redis.call('PERSIST', guardKey(s)) end
  end
end
if q.print ~= '' then
  redis.call('HSET', REPLAY, 'v', 1, 'd', cjson.encode({request = q.print, answer = answer}))
  redis.call('EXPIRE', REPLAY, ${REPLAY_SECONDS.toString()})
end
return {'held', answer}
`;
