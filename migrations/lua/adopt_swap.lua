-- Replace an index that is a set with the filled sorted set, and rename the set. Takes constant time.
-- After permissions.lua.
-- KEYS    1 the lease; 2 the index; 3 the sorted set; 4 the new key of the set
-- ARGV    1 epoch of the caller's lease
-- returns 'FENCED', 'TAKEN' (key 4 exists already), 'SWAPPED', or 'OK' if the index was not a set
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local kind = redis.call('TYPE', KEYS[2]).ok
local is_filled = redis.call('EXISTS', KEYS[3]) == 1
if kind == 'set' then
  if redis.call('EXISTS', KEYS[4]) == 1 then return 'TAKEN' end
  demand('PERSIST', KEYS[4])
  redis.call('RENAME', KEYS[2], KEYS[4])
  -- The set had the TTL of the record that was written last.
  redis.call('PERSIST', KEYS[4])
elseif kind ~= 'none' then
  redis.call('UNLINK', KEYS[3])
  return 'OK'
end
if is_filled then redis.call('RENAME', KEYS[3], KEYS[2]) end
return kind == 'set' and 'SWAPPED' or 'OK'
