-- Delete a quarantined record and its entry, if the caller has seen all that it holds.
-- After permissions.lua.
-- KEYS    1 the lease; 2 the quarantine; 3 the record; 4 its index
-- ARGV    1 epoch of the caller's lease; then field, value, ... as the caller saw them; none if it was gone
-- returns 'FENCED'; 'TYPE' if it is not a hash, or 'CHANGED' if it holds something else, and nothing is deleted; else
--         'OK', also if the record was gone, so that the call can be repeated
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
-- The call is repeated: what exists now was created later.
if redis.call('HEXISTS', KEYS[2], KEYS[3]) == 0 then return 'OK' end
local held = redis.pcall('HGETALL', KEYS[3])
if held.err then return string.find(held.err, 'WRONGTYPE', 1, true) and 'TYPE' or held end
local seen = {}
for at = 2, #ARGV, 2 do seen[ARGV[at]] = ARGV[at + 1] end
for at = 1, #held, 2 do
  if seen[held[at]] ~= held[at + 1] then return 'CHANGED' end
end
demand('ZREM', KEYS[4])
demand('HDEL', KEYS[2])
redis.call('DEL', KEYS[3])
redis.pcall('ZREM', KEYS[4], KEYS[3])
redis.call('HDEL', KEYS[2], KEYS[3])
return 'OK'
