-- Note records that a run could not rewrite in the quarantine, or remove some. After permissions.lua.
-- KEYS    1 the lease; 2 the quarantine, a hash: key of a record -> JSON
-- ARGV    1 epoch of the caller's lease; 2 how many to add, then key, JSON, ...; then keys to remove
-- returns 'FENCED', or how many are in quarantine now
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local last = 2 + 2 * tonumber(ARGV[2])
redis.call('HLEN', KEYS[2])  -- a user who may not read it is refused before the first write
if last > 2 and #ARGV > last then
  if not is_allowed then demand('HSET', KEYS[2]) end
  demand('HDEL', KEYS[2])
end
for at = 3, last, 2 do redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1]) end
for at = last + 1, #ARGV do redis.call('HDEL', KEYS[2], ARGV[at]) end
return redis.call('HLEN', KEYS[2])
