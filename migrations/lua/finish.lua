-- Record the end of a run: ledger, snapshot and journal change together.
-- KEYS    1 the lease; 2 ledger; 3 snapshot; 4 journal
-- ARGV    1 epoch of the caller's lease; 2 snapshot
--         3 how many migrations were applied, then id, entry, ...; then ids of those that were unapplied
-- returns 'OK' or 'FENCED'
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local last = 3 + 2 * tonumber(ARGV[3])
redis.call('SET', KEYS[3], ARGV[2])
for at = 4, last, 2 do redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1]) end
for at = last + 1, #ARGV do redis.call('HDEL', KEYS[2], ARGV[at]) end
redis.call('DEL', KEYS[4])
return 'OK'
