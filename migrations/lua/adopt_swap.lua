-- Put the sorted set that was filled in the place of an index that is a set, and the set aside. Its work does not grow.
-- After permissions.lua.
-- KEYS    1 the lease; 2 the index; 3 the sorted set; 4 where the set goes
-- ARGV    1 epoch of the caller's lease
-- returns 'FENCED', 'TAKEN' (a set lies aside already), 'SWAPPED', or 'OK' where the index was no set
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local kind = redis.call('TYPE', KEYS[2]).ok
local is_filled = redis.call('EXISTS', KEYS[3]) == 1
if kind == 'set' then
  if redis.call('EXISTS', KEYS[4]) == 1 then return 'TAKEN' end
  demand('PERSIST', KEYS[4])
  redis.call('RENAME', KEYS[2], KEYS[4])
  -- The set had the life span of whatever record was written last.
  redis.call('PERSIST', KEYS[4])
elseif kind ~= 'none' then
  redis.call('UNLINK', KEYS[3])
  return 'OK'
end
if is_filled then redis.call('RENAME', KEYS[3], KEYS[2]) end
return kind == 'set' and 'SWAPPED' or 'OK'
