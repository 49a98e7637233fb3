/** How many revisions back the digest a host read back is still judged. */
const JUDGED_REVISIONS = 64;

/**
 * Notes acknowledgements, never backwards, of hosts that have entries. One of a revision that the table never had is none:
 * believed, it would make the host count as up to date until the table got there.
 *
 * KEYS: state hash, hosts hash, acknowledgements hash (host → "revision time drift digestRevision digest expectedDigest", '-' for no
 * digest). ARGV: now in ms, then host and revision of each. Returns nothing.
 */
export const ACKNOWLEDGE_SCRIPT = `
local STATE, HOSTS, ACKS = unpack(KEYS)
local newest = tonumber(redis.call('HGET', STATE, 'r') or 0)
for i = 2, #ARGV, 2 do
  local host, revision = ARGV[i], ARGV[i + 1]
  if tonumber(revision) <= newest and redis.call('HEXISTS', HOSTS, host) == 1 then
    local found = redis.call('HGET', ACKS, host)
    local acked, rest = string.match(found or '0 0 0 0 - -', '^(%d+) %d+ (.*)$')
    if tonumber(revision) > tonumber(acked) then
      redis.call('HSET', ACKS, host, revision .. ' ' .. ARGV[1] .. ' ' .. rest)
    end
  end
end
`;

/**
 * Notes what a host says it holds of one network and answers what it should hold. A host that holds more than the table
 * proves that the table's store lost writes: the table is lifted above what it holds, with nothing to be had from before,
 * so that all hosts take the snapshot.
 *
 * KEYS: state, hosts, changes, acknowledgements. ARGV: host, revision, digest ('-' none), digestRevision, drift, now in
 * ms. Returns {0} for a network without a table, else {1, revision, expected digest at that revision, lifted, whether the
 * host told of a higher revision than ever}. The digest
 * that was right at an earlier revision follows from the changes since: each notes by how much it shifted whose digest.
 */
export const REPORT_SCRIPT = `
local STATE, HOSTS, CHANGES, ACKS = unpack(KEYS)
local ZERO = '0000000000000000'
local id, held, digest, readAt, drift, now = unpack(ARGV)
local function text(number) return string.format('%.0f', number) end
local function xor(a, b)
  return bit.tohex(bit.bxor(tonumber(string.sub(a, 1, 8), 16), tonumber(string.sub(b, 1, 8), 16)))
    .. bit.tohex(bit.bxor(tonumber(string.sub(a, 9), 16), tonumber(string.sub(b, 9), 16)))
end
local state = redis.call('HMGET', STATE, 'r', 'd', 'x')
if not state[1] or state[3] then return {0} end
local revision, lifted, advanced = tonumber(state[1]), 0, 0
if tonumber(held) > revision then
  revision, lifted = tonumber(held) + 1, 1
  redis.call('HSET', STATE, 'r', text(revision))
  redis.call('XTRIM', CHANGES, 'MAXLEN', 0)
end
local host = redis.call('HGET', HOSTS, id)
local own = host and string.match(host, '(%x+)$') or ZERO
local expected = xor(state[2] or ZERO, own)
if host then
  local found = redis.call('HGET', ACKS, id)
  local acked, repaired, before = string.match(found or '0 0 0 0 - -', '^(%d+) %d+ (%d+) (.*)$')
  if tonumber(held) > tonumber(acked) then acked, advanced = held, 1 end
  if digest ~= '-' then
    local right, back = '-', revision - tonumber(readAt)
    if back == 0 then
      right = expected
    elseif back > 0 and back <= ${JUDGED_REVISIONS.toString()} and lifted == 0 then
      local since = redis.call('XRANGE', CHANGES, '(' .. readAt .. '-0', '+')
      if #since == back then
        right = expected
        for _, change in ipairs(since) do
          local fields = change[2]
          for i = 1, #fields, 2 do
            if fields[i] == 'g' then
              for shifted, shift in string.gmatch(fields[i + 1], '(%S+) (%x+)') do
                if shifted ~= id then right = xor(right, shift) end
              end
            end
          end
        end
      end
    end
    before = readAt .. ' ' .. digest .. ' ' .. right
  end
  redis.call('HSET', ACKS, id, acked .. ' ' .. now .. ' ' .. text(tonumber(repaired) + tonumber(drift)) .. ' ' .. before)
end
return {1, text(revision), expected, lifted, advanced}
`;
