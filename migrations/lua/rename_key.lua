-- Give records other keys, each completely with its TTLs or not at all. After permissions.lua, once.lua and stamp.lua.
-- KEYS    1 the lease; 2 the index of the keys before; 3 the index of the keys after
--         4.. for each record (at most 45): its key, and its new key
-- ARGV    1 epoch of the caller's lease; 2 the lowest version from which on every version is accepted, or ''
--         3 how many other versions are accepted, then these
--         then the field from which the new keys were made, or '' if they were made from the old keys
--         then, unless that is '', for each record: the value of that field
-- returns 'FENCED', 'INDEX 2' or 'INDEX 3' (that key is not a sorted set), or a letter for each record: A renamed,
--         G gone, T not a hash, X another record has the new key, V another version, C the field was changed meanwhile
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local least = tonumber(ARGV[2]) or math.huge
local versions, last = {}, 3 + tonumber(ARGV[3])
for i = 4, last do versions[ARGV[i]] = true end
local field = ARGV[last + 1]
for i = 2, 3 do
  local size = redis.pcall('ZCARD', KEYS[i])
  if type(size) == 'table' then
    return string.find(size.err, 'WRONGTYPE', 1, true) and 'INDEX ' .. i or size
  end
end

local function move(source, target, held)
  local kind = redis.call('TYPE', source).ok
  if kind == 'none' then
    redis.call('ZREM', KEYS[2], source)
    return 'G'
  end
  if kind ~= 'hash' then return 'T' end
  local stamp = redis.call('HGET', source, '_v') or '1'
  if not versions[stamp] and not ((version_of(stamp) or 0) >= least) then return 'V' end
  if held and redis.call('HGET', source, field) ~= held then return 'C' end
  if redis.call('EXISTS', target) == 1 then return 'X' end
  if not is_allowed then demand_once('ZADD', KEYS[3]) end
  demand_once('RENAME', source, target)
  demand_once('ZREM', KEYS[2])
  -- The index first: a member without a record is harmless, a record without a member is not. Full memory refuses this
  -- write, and with it the whole record.
  redis.call('ZADD', KEYS[3], 0, target)
  redis.call('RENAME', source, target)
  redis.call('ZREM', KEYS[2], source)
  return 'A'
end

local letters = {}
for i = 4, #KEYS, 2 do
  local place = (i - 4) / 2
  letters[#letters + 1] = move(KEYS[i], KEYS[i + 1], field ~= '' and ARGV[last + 2 + place] or nil)
end
return table.concat(letters)
