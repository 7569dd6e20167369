-- Add members to the sorted set that will replace an index that is a set. After permissions.lua.
-- KEYS    1 the lease; 2 the sorted set
-- ARGV    1 epoch of the caller's lease; 2 '1' to start with an empty set; then members (at most 1000)
-- returns 'FENCED' or 'OK'
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
if ARGV[2] == '1' then
  if #ARGV > 2 then demand('ZADD', KEYS[2]) end
  redis.call('UNLINK', KEYS[2])
end
for i = 3, #ARGV do redis.call('ZADD', KEYS[2], 0, ARGV[i]) end
return 'OK'
