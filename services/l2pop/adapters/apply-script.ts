/** Milliseconds that the version of a removed port's last state is remembered, so that a late event does not bring it back. */
export const TOMBSTONE_MS = 3_600_000;

/**
 * The one script that changes a forwarding table. It first works out everything, then writes, the stream first: what
 * Redis might refuse is then refused before anything is written.
 *
 * KEYS, all of one hash tag: state hash (r revision, d digest of the whole table, m members version (the revision that last changed which hosts have entries), x the network's
 * revision at its deletion), hosts hash (host → "entries revision address udp digest"), entries hash (port →
 * "portRevision hostRevision revision host generation mac ip,ip"), tombstones hash (port → "portRevision hostRevision
 * revision"), tombstone ends (sorted set of ports by time), changes stream, acknowledgements hash (host → …).
 *
 * ARGV: now in ms, revisions to keep, cause, its time, members version the caller knows; then per operation its kind and
 *  s set: port, portRevision, hostRevision, redelivered, host, address, udp, "generation mac ip,ip"
 *  r remove: port, portRevision, hostRevision, redelivered
 *  e expel: port, portRevision
 *
 * Returns {base revision, revision, changes, members version, hosts | nil, {revision, stream fields, …} of what
 * redelivered operations did before}. Changes are lines, "+ port host address udp generation mac ips" (then
 * " | host address udp generation mac ips" of the former entry) or "- …" likewise.
 *
 * Digests are 16 hexadecimal digits, XORed in halves because the bit library has 32 bits. Numbers are printed by %.0f:
 * Lua would print 1e+15 and beyond otherwise.
 */
export const APPLY_SCRIPT = `
local STATE, HOSTS, ENTRIES, TOMBS, ENDS, CHANGES, ACKS = unpack(KEYS)
local ZERO, GONE = '0000000000000000', 9007199254740991
local now, keep, cause, time, knownMembers = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local at = 6
local function take() at = at + 1; return ARGV[at - 1] end
local function text(number) return string.format('%.0f', number) end

local state = redis.call('HMGET', STATE, 'r', 'd', 'm', 'x')
local base = tonumber(state[1] or '0')
if not state[1] then
  local last = redis.call('XREVRANGE', CHANGES, '+', '-', 'COUNT', 1)[1]
  if last then base = tonumber(string.match(last[1], '^%d+')) end
end
local total, members, deleted = state[2] or ZERO, tonumber(state[3] or '0'), state[4]
local revision = base + 1

local function xor(a, b)
  return bit.tohex(bit.bxor(tonumber(string.sub(a, 1, 8), 16), tonumber(string.sub(b, 1, 8), 16)))
    .. bit.tohex(bit.bxor(tonumber(string.sub(a, 9), 16), tonumber(string.sub(b, 9), 16)))
end

local hosts, shifts = {}, {}
local function hostOf(id)
  local host = hosts[id]
  if host then return host end
  host = {id = id, n = 0, revision = 0, address = '-', udp = '0', digest = ZERO}
  local found = redis.call('HGET', HOSTS, id)
  if found then
    local n, known, address, udp, digest = string.match(found, '^(%d+) (%d+) (%S+) (%d+) (%x+)$')
    host.n, host.revision, host.address, host.udp, host.digest = tonumber(n), tonumber(known), address, udp, digest
  end
  host.member = host.n > 0
  hosts[id] = host
  return host
end
local function toggle(host, row)
  local hash = string.sub(redis.sha1hex(row), 1, 16)
  host.digest, total, host.dirty = xor(host.digest, hash), xor(total, hash), true
  shifts[host.id] = xor(shifts[host.id] or ZERO, hash)
end

local entries, allLoaded = {}, false
local function parsed(found)
  local port, host, made, id, body = string.match(found, '^(%d+) (%d+) (%d+) (%S+) (.*)$')
  return {port = tonumber(port), host = tonumber(host), made = tonumber(made), at = id, body = body}
end
local function entryOf(port)
  local entry = entries[port]
  if entry == nil then
    local found = not allLoaded and redis.call('HGET', ENTRIES, port)
    entry = found and parsed(found) or false
    entries[port] = entry
  end
  return entry
end
local function portsAt(id)
  if not allLoaded then
    local all = redis.call('HGETALL', ENTRIES)
    for i = 1, #all, 2 do
      if entries[all[i]] == nil then entries[all[i]] = parsed(all[i + 1]) end
    end
    allLoaded = true
  end
  local ports = {}
  for port, entry in pairs(entries) do
    if entry and entry.at == id then ports[#ports + 1] = port end
  end
  table.sort(ports)
  return ports
end

local tombs = {}
local function tombOf(port)
  local tomb = tombs[port]
  if tomb == nil then
    local found = redis.call('HGET', TOMBS, port)
    if found then
      local portRevision, hostRevision, made = string.match(found, '^(%d+) (%d+) (%d+)$')
      tomb = {port = tonumber(portRevision), host = tonumber(hostRevision), made = tonumber(made)}
    else
      tomb = false
    end
    tombs[port] = tomb
  end
  return tomb
end

local lines, dirty, dirtyTombs = {}, {}, {}
local function place(entry)
  local host = hostOf(entry.at)
  return host.id .. ' ' .. host.address .. ' ' .. host.udp .. ' ' .. entry.body
end
local function toggleUnicast(entry)
  local mac = string.match(entry.body, '^%S+ (%S+)')
  local host = hostOf(entry.at)
  toggle(host, 'fdb ' .. mac .. ' ' .. host.address)
end
local function toggleRows(entry)
  local mac, ips = string.match(entry.body, '^%S+ (%S+) ?(.*)$')
  toggleUnicast(entry)
  for ip in string.gmatch(ips, '[^,]+') do toggle(hostOf(entry.at), 'neigh ' .. ip .. ' ' .. mac) end
end
local function join(entry)
  local host = hostOf(entry.at)
  if host.n == 0 then toggle(host, 'flood ' .. host.address) end
  host.n, host.dirty = host.n + 1, true
  toggleRows(entry)
end
local function leave(entry)
  local host = hostOf(entry.at)
  toggleRows(entry)
  host.n, host.dirty = host.n - 1, true
  if host.n == 0 then toggle(host, 'flood ' .. host.address) end
end
local function readdress(host, address, udp)
  local ports = portsAt(host.id)
  for _, port in ipairs(ports) do toggleUnicast(entries[port]) end
  if host.n > 0 then toggle(host, 'flood ' .. host.address) end
  local before = {}
  for _, port in ipairs(ports) do before[port] = place(entries[port]) end
  host.address, host.udp = address, udp
  if host.n > 0 then toggle(host, 'flood ' .. address) end
  for _, port in ipairs(ports) do
    local entry = entries[port]
    toggleUnicast(entry)
    entry.made, dirty[port] = revision, true
    lines[#lines + 1] = '+ ' .. port .. ' ' .. place(entry) .. ' | ' .. before[port]
  end
end

local repeats, repeated = {}, {}
local function stale(known, portRevision, hostRevision, redelivered)
  if not known then return false end
  if portRevision > known.port then return false end
  if portRevision == known.port and hostRevision > known.host then return false end
  if redelivered == '1' and portRevision == known.port and known.made > 0 and known.made < revision then
    repeats[text(known.made)] = true
  end
  return true
end
local function bury(port, portRevision, hostRevision, made)
  tombs[port], dirtyTombs[port] = {port = portRevision, host = hostRevision, made = made}, true
end
local function remove(port, entry, portRevision, hostRevision)
  lines[#lines + 1] = '- ' .. port .. ' ' .. place(entry)
  leave(entry)
  entries[port], dirty[port] = false, true
  bury(port, portRevision, hostRevision, revision)
end

local operations = {}
function operations.s()
  local port, portRevision, hostRevision, redelivered = take(), tonumber(take()), tonumber(take()), take()
  local id, address, udp, body = take(), take(), take(), take()
  if deleted then return end
  local entry = entryOf(port)
  local tomb = not entry and tombOf(port)
  if stale(entry or tomb, portRevision, hostRevision, redelivered) then return end
  local host = hostOf(id)
  if hostRevision > host.revision or host.n == 0 then
    if host.n > 0 and (host.address ~= address or host.udp ~= udp) then readdress(host, address, udp) end
    host.address, host.udp, host.revision, host.dirty = address, udp, hostRevision, true
  end
  if entry and entry.at == id and entry.body == body then
    entry.port, entry.host, dirty[port] = portRevision, hostRevision, true
    return
  end
  local former = ''
  local new = {port = portRevision, host = hostRevision, made = revision, at = id, body = body}
  if entry then former = ' | ' .. place(entry) end
  -- The new place first: a host that keeps its last port under another address never leaves the flood list.
  join(new)
  if entry then leave(entry) end
  entries[port], dirty[port] = new, true
  if tomb then tombs[port], dirtyTombs[port] = false, true end
  lines[#lines + 1] = '+ ' .. port .. ' ' .. place(new) .. former
end
function operations.r()
  local port, portRevision, hostRevision, redelivered = take(), tonumber(take()), tonumber(take()), take()
  local entry = entryOf(port)
  if stale(entry or tombOf(port), portRevision, hostRevision, redelivered) then return end
  if entry then remove(port, entry, portRevision, hostRevision) else bury(port, portRevision, hostRevision, 0) end
end
function operations.e()
  local port, portRevision = take(), tonumber(take())
  local entry = entryOf(port)
  if entry and entry.port <= portRevision then remove(port, entry, entry.port, GONE) end
end
while at <= #ARGV do operations[take()]() end

local changes = table.concat(lines, '\\n')
if #lines > 0 then
  local digests = {}
  for id, shift in pairs(shifts) do
    if shift ~= ZERO then digests[#digests + 1] = id .. ' ' .. shift end
  end
  redis.call('XADD', CHANGES, 'MAXLEN', '~', keep, text(revision) .. '-0',
    'w', cause, 't', time, 'x', changes, 'g', table.concat(digests, ' '))
end
for id, host in pairs(hosts) do
  if host.dirty then
    if host.n > 0 then
      redis.call('HSET', HOSTS, id, text(host.n) .. ' ' .. text(host.revision) .. ' ' .. host.address .. ' '
        .. host.udp .. ' ' .. host.digest)
    else
      redis.call('HDEL', HOSTS, id)
      redis.call('HDEL', ACKS, id)
    end
  end
  if host.member ~= (host.n > 0) then members = revision end
end
if #lines > 0 then
  redis.call('HSET', STATE, 'r', text(revision), 'd', total, 'm', text(members))
end
for port, _ in pairs(dirty) do
  local entry = entries[port]
  if entry then
    redis.call('HSET', ENTRIES, port, text(entry.port) .. ' ' .. text(entry.host) .. ' ' .. text(entry.made) .. ' '
      .. entry.at .. ' ' .. entry.body)
  else
    redis.call('HDEL', ENTRIES, port)
  end
end
for port, _ in pairs(dirtyTombs) do
  local tomb = tombs[port]
  if tomb then
    redis.call('HSET', TOMBS, port, text(tomb.port) .. ' ' .. text(tomb.host) .. ' ' .. text(tomb.made))
    redis.call('ZADD', ENDS, text(now + ${TOMBSTONE_MS.toString()}), port)
  else
    redis.call('HDEL', TOMBS, port)
    redis.call('ZREM', ENDS, port)
  end
end
for _, port in ipairs(redis.call('ZRANGE', ENDS, '-inf', '(' .. text(now), 'BYSCORE', 'LIMIT', 0, 64)) do
  redis.call('HDEL', TOMBS, port)
  redis.call('ZREM', ENDS, port)
end
if deleted and redis.call('HLEN', ENTRIES) == 0 then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ${TOMBSTONE_MS.toString()}) end
end
for made, _ in pairs(repeats) do
  local found = redis.call('XRANGE', CHANGES, made .. '-0', made .. '-0')[1]
  if found then
    repeated[#repeated + 1] = made
    repeated[#repeated + 1] = found[2]
  end
end
local list = false
if knownMembers ~= text(members) then list = table.concat(redis.call('HKEYS', HOSTS), ' ') end
return {text(base), text(#lines > 0 and revision or base), changes, text(members), list, repeated}
`;
