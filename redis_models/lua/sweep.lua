-- Take members out of an index whose records are gone: expired, or deleted by a client that does not know of the index.
-- After permissions.lua.
-- KEYS    1 index; 2.. records (at most 1000), all under keys that the model owns
-- returns how many of the records exist; a key that does not hold a hash does not count, and stays in the index: verify names it
local alive = 0
for i = 2, #KEYS do
  local fields = redis.pcall('HLEN', KEYS[i])
  if type(fields) == 'table' then
    if not is_of_another_type(fields) then return fields end
  elseif fields > 0 then
    alive = alive + 1
  else
    -- Reading must work where nothing can be written, as on a replica.
    redis.pcall('ZREM', KEYS[1], KEYS[i])
  end
end
return alive
