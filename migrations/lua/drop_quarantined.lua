-- Delete a record that is in quarantine, and forget it, if it holds nothing that the caller has not seen.
-- After permissions.lua.
-- KEYS    1 the lease; 2 the quarantine; 3 the record; 4 the index that has it
-- ARGV    1 epoch of the caller's lease; then field, value, ... of all that the caller saw; nothing if it was gone
-- returns 'FENCED', 'TYPE' if it is no hash, 'CHANGED' if it holds something else; it stays then. Else 'OK', also where
--         it is gone, so that the call may be sent again
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
-- The same call, sent again: what is there now was made since.
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
