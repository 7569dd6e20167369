-- Take members out of an index whose records are gone: expired, or deleted by somebody who does not know of the index.
-- KEYS    1 index; 2.. records (at most 1000)
-- returns how many of the records exist
local alive = 0
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    alive = alive + 1
  else
    -- Reading must work where nothing can be written, as on a replica.
    redis.pcall('ZREM', KEYS[1], KEYS[i])
  end
end
return alive
