-- Take, renew or release the lease, which one runner holds. Uses the server's clock.
-- KEYS    1 the lease, a hash: epoch, holder, until (ms since 1970)
--         The epoch never decreases. It is at least the time in microseconds, so that another runner does not get the
--         epoch of a paused one even after FLUSHALL or a restored backup.
-- ARGV    1 take: 2 holder, 3 duration in ms, 4 epoch of a holder that is known to be dead, or ''
--         1 renew: 2 epoch, 3 duration in ms          1 release: 2 epoch
-- returns take: {'TAKEN', epoch} or {'HELD', epoch, holder, ms until it ends}
--         renew, release: {'OK'} or {'LOST'}
--         any: {'STRANGE'}, if the key does not hold a lease
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
-- Another client wrote this. An epoch reaches 2^53, up to which numbers are exact, in 2255.
if #epoch > 16 or not epoch:find('^%d+$') or tonumber(epoch) >= 9007199254000000 then return {'STRANGE'} end
if ARGV[1] == 'take' then
  local held = redis.call('HMGET', KEYS[1], 'holder', 'until')
  if held[1] and not (#held[1] < 65536 and held[2] and held[2]:find('^%d+$') and #held[2] < 16) then return {'STRANGE'} end
  -- The same holder text is the same call, repeated because its reply was lost.
  if held[1] and held[1] ~= ARGV[2] and tonumber(held[2]) > now and epoch ~= ARGV[4] then
    return {'HELD', epoch, held[1], tonumber(held[2]) - now}
  end
  local next_epoch = string.format('%.0f', math.max(tonumber(epoch) + 1, clock[1] * 1000000 + clock[2]))
  local ends = string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('HSET', KEYS[1], 'epoch', next_epoch, 'holder', ARGV[2], 'until', ends)
  return {'TAKEN', tonumber(next_epoch)}
end
if epoch ~= ARGV[2] then return {'LOST'} end
if ARGV[1] == 'renew' then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + tonumber(ARGV[3])))
else
  redis.call('HDEL', KEYS[1], 'holder', 'until')
end
return {'OK'}
