-- Write records of one model, all or none: the guard that every write of the library passes.
-- KEYS    1 index; 2.. records (at most 100)
-- ARGV    1 mode: any, new (no record may exist), existing (all must)
--         2 version of the model in this process
--         3 life span: '' leaves it as it is, '0' removes it, else milliseconds; '+' before them: of new records only
--         4.. for each record: how many arguments follow, then field, value, ...
-- returns per record {fields that were new, 1 if the index did not have it}
--         or, nothing written, {'REFUSED', reason, place of a record from 1, stored version, ...}
--         reason: INDEX, TYPE, EXISTS, GONE, NEWER (one record), OLDER (all that are)
local mode, version, life = ARGV[1], ARGV[2], ARGV[3]
-- A write that fails half-way stays half-done, so whatever could fail is asked before the first one.
if type(redis.pcall('ZCARD', KEYS[1])) == 'table' then return {'REFUSED', 'INDEX', 0, ''} end
local stamps, existed, older = {}, {}, {'REFUSED', 'OLDER'}
for i = 2, #KEYS do
  local stored = redis.pcall('HGET', KEYS[i], '_v')
  if type(stored) == 'table' then return {'REFUSED', 'TYPE', i - 1, ''} end
  stamps[KEYS[i]] = stored
  if not stored and redis.call('EXISTS', KEYS[i]) == 1 then stored = '1' end
  existed[KEYS[i]] = stored and true
  if stored and mode == 'new' then return {'REFUSED', 'EXISTS', i - 1, ''} end
  if not stored and mode == 'existing' then return {'REFUSED', 'GONE', i - 1, ''} end
  if stored and stored ~= version then
    -- A stamp that is no number was written by something newer than anything known here.
    local held = tonumber(stored)
    if not held or held >= tonumber(version) then return {'REFUSED', 'NEWER', i - 1, stored} end
    older[#older + 1], older[#older + 2] = i - 1, stored
  end
end
if older[3] then return older end
local of_new_only, milliseconds = life:sub(1, 1) == '+', life:gsub('%+', '')
-- First, so that nobody who may not write the index leaves a record outside of it; a member without one is harmless.
local added = {}
for i = 2, #KEYS do added[i] = redis.call('ZADD', KEYS[1], 0, KEYS[i]) end
local result = {}
local place = 4
for i = 2, #KEYS do
  local last = place + tonumber(ARGV[place])
  local new = stamps[KEYS[i]] and 0 or -1
  stamps[KEYS[i]] = version
  -- The stamp goes with the first fields; unpack takes fewer than 8,000 values at once.
  repeat
    local upto = math.min(last, place + 4000)
    new = new + redis.call('HSET', KEYS[i], '_v', version, unpack(ARGV, place + 1, upto))
    place = upto
  until place == last
  place = place + 1
  if life == '0' then
    redis.call('PERSIST', KEYS[i])
  elseif life ~= '' and not (of_new_only and existed[KEYS[i]]) then
    redis.call('PEXPIRE', KEYS[i], milliseconds)
  end
  result[i - 1] = {new, added[i]}
end
-- Applications of the seed give the index the life span of a record; with it, all others would go out of sight.
redis.call('PERSIST', KEYS[1])
return result
