-- Delete records of one model, and their members of its indexes. After permissions.lua and fence.lua.
-- KEYS    as fence.lua has them; at most 100 records, all under keys that the model owns
-- ARGV    1 '1' to pass over keys that do not hold a hash, '' to refuse them
-- returns {records that existed, members that were removed}
--         or, nothing deleted, {'REFUSED', reason, place of a record from 1, ''}; reason: INDEXES, INDEX, TYPE
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local size = redis.pcall('ZCARD', KEYS[1])
if type(size) == 'table' then return is_of_another_type(size) and {'REFUSED', 'INDEX', 0, ''} or size end
local strange = {}
for i = first, #KEYS do
  -- A key that does not hold a hash is not a record.
  local key = KEYS[i]
  local fields = indexes and redis.pcall('HMGET', key, unpack(indexes.asked)) or redis.pcall('HLEN', key)
  if type(fields) == 'table' and fields.err then
    if not is_of_another_type(fields) then return fields end
    if ARGV[1] ~= '1' then return {'REFUSED', 'TYPE', i - first + 1, ''} end
    strange[i] = true
  elseif indexes then
    indexes.change(key, fields, nil)
  end
end
if indexes then indexes.prepare() end
demand('ZREM', KEYS[1])
local records, members = 0, 0
for i = first, #KEYS do
  if not strange[i] then
    records = records + redis.call('UNLINK', KEYS[i])
    members = members + redis.call('ZREM', KEYS[1], KEYS[i])
  end
end
if indexes then indexes.remove() end
return {records, members}
