-- Delete a record that is in quarantine, and forget it.
-- KEYS    1 the lease; 2 the quarantine; 3 the record; 4 the index that has it, or the quarantine where none has
-- ARGV    1 epoch of the caller's lease
-- returns 'FENCED', 'TYPE' if it is no hash and stays, or what the record held; nothing where it is gone
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local held = redis.pcall('HGETALL', KEYS[3])
if held.err then return 'TYPE' end
redis.call('DEL', KEYS[3])
if KEYS[4] ~= KEYS[2] then redis.pcall('ZREM', KEYS[4], KEYS[3]) end
redis.call('HDEL', KEYS[2], KEYS[3])
return held
