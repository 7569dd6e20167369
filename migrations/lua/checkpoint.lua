-- Store the journal of a run.
-- KEYS    1 the lease; 2 the journal
-- ARGV    1 epoch of the caller's lease; then field, value, ...
-- returns 'OK' or 'FENCED'
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 'OK'
