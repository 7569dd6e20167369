-- Delete records of one model, and their members of its index. After permissions.lua.
-- KEYS    1 index; 2.. records (at most 100), all under keys that the model owns
-- ARGV    1 '1' to pass over keys that do not hold a hash, '' to refuse them
-- returns {records that existed, members that were removed}
--         or, nothing deleted, {'REFUSED', reason, place of a record from 1, ''}; reason: INDEX, TYPE
local size = redis.pcall('ZCARD', KEYS[1])
if type(size) == 'table' then return is_of_another_type(size) and {'REFUSED', 'INDEX', 0, ''} or size end
local strange = {}
for i = 2, #KEYS do
  -- A key that does not hold a hash is not a record.
  local fields = redis.pcall('HLEN', KEYS[i])
  if type(fields) == 'table' then
    if not is_of_another_type(fields) then return fields end
    if ARGV[1] ~= '1' then return {'REFUSED', 'TYPE', i - 1, ''} end
    strange[i] = true
  end
end
demand('ZREM', KEYS[1])
local records, members = 0, 0
for i = 2, #KEYS do
  if not strange[i] then
    records = records + redis.call('UNLINK', KEYS[i])
    members = members + redis.call('ZREM', KEYS[1], KEYS[i])
  end
end
return {records, members}
