-- Look whether an index has what it should, and put it right if asked: the keys of records that are there, no others.
-- KEYS    1 the index, a sorted set; then keys that the model owns
-- ARGV    1 '1' to put it right
-- returns a number a record: 0 if the index was right, 1 if it lacked the record, 2 if it had one that is gone, 3 if it
--         had it with another score than 0, hence out of order, 4 if it had a key that holds no hash
local found = {}
for at = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[at]).ok
  local is_there = kind == 'hash'
  local score = redis.call('ZSCORE', KEYS[1], KEYS[at])
  local is_member = score ~= false
  found[at - 1] = is_there ~= is_member and (is_there and 1 or 2) or (is_member and tonumber(score) ~= 0) and 3 or 0
  if found[at - 1] == 2 and kind ~= 'none' then found[at - 1] = 4 end
  if ARGV[1] == '1' and (found[at - 1] == 2 or found[at - 1] == 4) then
    redis.call('ZREM', KEYS[1], KEYS[at])
  elseif ARGV[1] == '1' and found[at - 1] ~= 0 then
    redis.call('ZADD', KEYS[1], 0, KEYS[at])
  end
end
return found
