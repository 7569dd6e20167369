-- Write records of one model, all or none: the guard that every write of the library passes.
-- KEYS    1 index; 2.. records (at most 100)
-- ARGV    1 mode: upsert, or update (all records must exist)
--         2 version of the model in this process
--         3 life span: '' leaves it as it is, '0' removes it, else milliseconds
--         4.. for each record: how many arguments follow, then field, value, ...
-- returns per record {fields that were new, 1 if the index did not have it}
--         or, nothing written, {'REFUSED', place of the record from 1, reason, stored version}
--         reason: NEWER, OLDER, GONE, TYPE
local mode, version, life = ARGV[1], ARGV[2], ARGV[3]
local stamps = {}
for i = 2, #KEYS do
  local stored = redis.pcall('HGET', KEYS[i], '_v')
  if type(stored) == 'table' then return {'REFUSED', i - 1, 'TYPE', ''} end
  stamps[i] = stored
  if not stored and redis.call('EXISTS', KEYS[i]) == 1 then stored = '1' end
  if not stored and mode == 'update' then return {'REFUSED', i - 1, 'GONE', ''} end
  if stored and stored ~= version then
    -- A stamp that is no number was written by something newer than anything known here.
    local held = tonumber(stored)
    if held and held < tonumber(version) then return {'REFUSED', i - 1, 'OLDER', stored} end
    return {'REFUSED', i - 1, 'NEWER', stored}
  end
end
local result = {}
local place = 4
for i = 2, #KEYS do
  local last = place + tonumber(ARGV[place])
  local new = stamps[i] and 0 or -1
  -- The stamp goes with the first fields; unpack takes fewer than 8,000 values at once.
  repeat
    local upto = math.min(last, place + 4000)
    new = new + redis.call('HSET', KEYS[i], '_v', version, unpack(ARGV, place + 1, upto))
    place = upto
  until place == last
  place = place + 1
  if life == '0' then
    redis.call('PERSIST', KEYS[i])
  elseif life ~= '' then
    redis.call('PEXPIRE', KEYS[i], life)
  end
  result[i - 1] = {new, redis.call('ZADD', KEYS[1], 0, KEYS[i])}
end
return result
