-- Delete those of some records that are as they were read, and their members of the indexes. After permissions.lua and
-- fence.lua.
-- KEYS    as fence.lua has them; at most 100 records
-- ARGV    1 version of the model in this process; 2 how many fields were read; 3.. their names; then for each record and
--         each field: '1' and the value that it had, or '' and '' if it was not there
-- returns for each record: DELETED, GONE, CHANGED, or OLDER if it was written by an older version
--         or, nothing deleted, {'REFUSED', reason, place of a record from 1, ''}; reason: INDEXES, INDEX
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local size = redis.pcall('ZCARD', KEYS[1])
if type(size) == 'table' then return is_of_another_type(size) and {'REFUSED', 'INDEX', 0, ''} or size end
local count, results = tonumber(ARGV[2]), {}
local names = {unpack(ARGV, 3, count + 2)}
names[count + 1] = '_v'
local place = count + 3
for i = first, #KEYS do
  local values, result = redis.pcall('HMGET', KEYS[i], unpack(names)), 'DELETED'
  if values.err then
    if not is_of_another_type(values) then return values end
    result = 'CHANGED'
  elseif redis.call('EXISTS', KEYS[i]) == 0 then
    result = 'GONE'
  elseif (values[count + 1] or '1') ~= ARGV[1] then
    result = 'OLDER'
  else
    for j = 1, count do
      local was = ARGV[place + 2 * j - 2] == '1' and ARGV[place + 2 * j - 1]
      if values[j] ~= was then result = 'CHANGED' end
    end
  end
  if indexes and result == 'DELETED' then indexes.change(KEYS[i], indexes.values_of(KEYS[i]), nil) end
  results[#results + 1] = result
  place = place + 2 * count
end
if indexes then indexes.prepare() end
demand('ZREM', KEYS[1])
for i = first, #KEYS do
  if results[i - first + 1] == 'DELETED' then
    redis.call('UNLINK', KEYS[i])
    redis.call('ZREM', KEYS[1], KEYS[i])
  end
end
if indexes then indexes.remove() end
return results
