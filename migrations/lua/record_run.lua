-- Record the end of a run: ledger, snapshot, history and journal change together. After permissions.lua.
-- KEYS    1 the lease; 2 ledger; 3 snapshot; 4 journal; 5 history
-- ARGV    1 epoch of the caller's lease; 2 snapshot; 3 how many migrations the ledger must have, or '' for any number
--         4 how many markers the journal must have, then name, value, ...
--         then how many migrations were applied, then id, entry, ...
--         then how many events, then the events; then ids of migrations that were unapplied
-- returns 'OK', 'FENCED', or 'FORGOTTEN': the ledger or the journal lacks some of this
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local newest = redis.call('LINDEX', KEYS[5], -1)
local first = 5 + 2 * tonumber(ARGV[4])
local last = first + 2 * tonumber(ARGV[first])
local events = {unpack(ARGV, last + 2, last + 1 + tonumber(ARGV[last + 1]))}
demand('SET', KEYS[3])
if last > first then demand('HSET', KEYS[2]) end
if #ARGV > last + 1 + #events then demand('HDEL', KEYS[2]) end
demand('DEL', KEYS[4])
-- If this call is repeated because its reply was lost, its last event is in the history already.
local is_again = #events > 0 and newest == events[#events]
if not is_again then
  if ARGV[3] ~= '' and redis.call('HLEN', KEYS[2]) ~= tonumber(ARGV[3]) then return 'FORGOTTEN' end
  for at = 5, first - 2, 2 do
    if redis.call('HGET', KEYS[4], ARGV[at]) ~= ARGV[at + 1] then return 'FORGOTTEN' end
  end
  -- This is the first write, because a user who may not write the history must not record anything.
  if #events > 0 then redis.call('RPUSH', KEYS[5], unpack(events)) end
end
redis.call('SET', KEYS[3], ARGV[2])
for at = first + 1, last, 2 do redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1]) end
for at = last + 2 + #events, #ARGV do redis.call('HDEL', KEYS[2], ARGV[at]) end
redis.call('DEL', KEYS[4])
return 'OK'
