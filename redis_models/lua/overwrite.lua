-- Put a whole record in the place of one that no migration can bring up. After permissions.lua.
-- KEYS    1 the record
-- ARGV    1 stamp that it has ('1' for none); 2 version of the model in this process; 3.. field, value, ...
-- returns 1, or 0 where it is not of that version any more: nothing written
local key = KEYS[1]
local stamp = redis.pcall('HGET', key, '_v')
if type(stamp) == 'table' then
  if is_of_another_type(stamp) then return 0 end
  return stamp
end
if redis.call('EXISTS', key) == 0 or (stamp or '1') ~= ARGV[1] then return 0 end
if not is_allowed then demand('HSET', key) end  -- else the first write is the question
demand('HDEL', key)
local kept, gone = {_v = true}, {}
for i = 3, #ARGV, 2 do kept[ARGV[i]] = true end
for _, name in ipairs(redis.call('HKEYS', key)) do
  if not kept[name] then gone[#gone + 1] = name end
end
-- It grows before it shrinks, so that full memory refuses the record whole. The stamp goes with the fields, in one
-- command, and what is left of the old record is of no version.
redis.call('HSET', key, '_v', ARGV[2], unpack(ARGV, 3))
for first = 1, #gone, 4000 do redis.call('HDEL', key, unpack(gone, first, math.min(#gone, first + 3999))) end
return 1
