-- Check that an index has exactly the keys of the records that exist, and repair it on request.
-- After permissions.lua and once.lua.
-- KEYS    1 the index, a sorted set; then keys of the model
-- ARGV    1 '1' to repair it
-- returns a number for each key: 0 the index was right, 1 it lacked the record, 2 the record does not exist,
--         3 its score was not 0, so that it was out of order, 4 the key does not hold a hash
local found = {}
for at = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[at]).ok
  local is_there = kind == 'hash'
  local score = redis.call('ZSCORE', KEYS[1], KEYS[at])
  local is_member = score ~= false
  found[at - 1] = is_there ~= is_member and (is_there and 1 or 2) or (is_member and tonumber(score) ~= 0) and 3 or 0
  if found[at - 1] == 2 and kind ~= 'none' then found[at - 1] = 4 end
end
if ARGV[1] ~= '1' then return found end
local repairs = {}
for i, what in ipairs(found) do
  if what ~= 0 then repairs[i] = (what == 2 or what == 4) and 'ZREM' or 'ZADD' end
end
-- Check the commands that take memory first: see permissions.lua.
for _, name in ipairs({'ZADD', 'ZREM'}) do
  for i in pairs(repairs) do
    if repairs[i] == name then demand_once(name, KEYS[1]) end
  end
end
for i, name in pairs(repairs) do
  if name == 'ZADD' then
    redis.call('ZADD', KEYS[1], 0, KEYS[i + 1])
  else
    redis.call('ZREM', KEYS[1], KEYS[i + 1])
  end
end
return found
