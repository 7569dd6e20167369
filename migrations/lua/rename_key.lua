-- Give records other keys, each completely with its TTLs or not at all. After permissions.lua, once.lua, stamp.lua and
-- fence.lua.
-- KEYS    as fence.lua has them, of the table after; the lease; as fence.lua has them, of the table before; then for each
--         record (at most 45): its key, and its new key
-- ARGV    1 epoch of the caller's lease; 2 the lowest version from which on every version is accepted, or ''
--         3 how many other versions are accepted, then these
--         then the field from which the new keys were made, or '' if they were made from the old keys
--         then how many bytes all keys before begin with; then, unless the field is '', for each record: its value
-- returns 'FENCED', a refusal of indexes.lua, 'INDEX 2' or 'INDEX 3' (that index, before or after, is not a
--         sorted set), or a letter for each record: A renamed,
--         G gone, T not a hash, X another record has the new key, V another version, C the field was changed meanwhile
local before = first + 1
local old_index, new_index = KEYS[before], KEYS[1]
if redis.call('HGET', KEYS[first], 'epoch') ~= ARGV[1] then return 'FENCED' end
if has_other_indexes() or not indexes and has_other_indexes(before + 1) then return {'REFUSED', 'INDEXES', 0, ''} end
local refused_index = indexes and indexes.demand_all()
if refused_index then return refused_index end
local least = tonumber(ARGV[2]) or math.huge
local versions, last = {}, 3 + tonumber(ARGV[3])
for i = 4, last do versions[ARGV[i]] = true end
local field, start_length = ARGV[last + 1], tonumber(ARGV[last + 2])
for i, index in pairs({[2] = old_index, [3] = new_index}) do
  local size = redis.pcall('ZCARD', index)
  if type(size) == 'table' then
    return string.find(size.err, 'WRONGTYPE', 1, true) and 'INDEX ' .. i or size
  end
end

local function move(source, target, held)
  local kind = redis.call('TYPE', source).ok
  if kind == 'none' then
    redis.call('ZREM', old_index, source)
    return 'G'
  end
  if kind ~= 'hash' then return 'T' end
  local stamp = redis.call('HGET', source, '_v') or '1'
  if not versions[stamp] and not ((version_of(stamp) or 0) >= least) then return 'V' end
  if held and redis.call('HGET', source, field) ~= held then return 'C' end
  if redis.call('EXISTS', target) == 1 then return 'X' end
  if not is_allowed then demand_once('ZADD', new_index) end
  demand_once('RENAME', source, target)
  demand_once('ZREM', old_index)
  -- The index first: a member without a record is harmless, a record without a member is not. Full memory refuses this
  -- write, and with it the whole record.
  redis.call('ZADD', new_index, 0, target)
  redis.call('RENAME', source, target)
  redis.call('ZREM', old_index, source)
  if indexes then indexes.renamed(target, string.sub(source, start_length + 1), before) end
  return 'A'
end

local letters = {}
for i = 2 * first, #KEYS, 2 do
  local place = (i - 2 * first) / 2
  letters[#letters + 1] = move(KEYS[i], KEYS[i + 1], field ~= '' and ARGV[last + 3 + place] or nil)
end
return table.concat(letters)
