import { TOMBSTONE_MS } from './apply-script.ts';

/**
 * Marks the network as deleted: nothing enters its table any more, and its keys end by themselves a while after the last
 * entry is gone, so that late events find it closed. KEYS as APPLY_SCRIPT. ARGV: the network's revision. Returns the
 * number of entries that are left.
 */
export const RETIRE_SCRIPT = `
local STATE, ENTRIES = KEYS[1], KEYS[3]
local known = redis.call('HGET', STATE, 'x')
if not known or tonumber(ARGV[1]) > tonumber(known) then redis.call('HSET', STATE, 'x', ARGV[1]) end
local left = redis.call('HLEN', ENTRIES)
if left == 0 then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ${TOMBSTONE_MS.toString()}) end
end
return left
`;

/**
 * Takes back RETIRE_SCRIPT for a network that exists in a newer revision than the one that was deleted. KEYS and ARGV as
 * there. Returns 1 when it did.
 */
export const REVIVE_SCRIPT = `
local known = redis.call('HGET', KEYS[1], 'x')
if not known or tonumber(ARGV[1]) <= tonumber(known) then return 0 end
redis.call('HDEL', KEYS[1], 'x')
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
return 1
`;

/**
 * Puts hosts and the table's digest in place of those that do not follow from the entries, and drops entries without a
 * host, unless the table has changed since all that was worked out. KEYS: state, hosts, entries, changes. ARGV: revision, table
 * digest, number of hosts, each with its text, then the ports to drop. Returns 1 when it did.
 */
export const MEND_SCRIPT = `
local STATE, HOSTS, ENTRIES, CHANGES = unpack(KEYS)
if (redis.call('HGET', STATE, 'r') or '0') ~= ARGV[1] then return 0 end
local last = redis.call('XREVRANGE', CHANGES, '+', '-', 'COUNT', 1)[1]
local revision = redis.call('HGET', STATE, 'r') or (last and string.match(last[1], '^%d+')) or '0'
redis.call('HSET', STATE, 'r', revision, 'd', ARGV[2], 'm', revision)
redis.call('DEL', HOSTS)
local at = 4
for _ = 1, tonumber(ARGV[3]) do
  redis.call('HSET', HOSTS, ARGV[at], ARGV[at + 1])
  at = at + 2
end
for i = at, #ARGV do redis.call('HDEL', ENTRIES, ARGV[i]) end
return 1
`;
