-- Write one whole record: what write.lua does to many, in as few steps as it takes. After permissions.lua, stamp.lua,
-- whole.lua and fence.lua.
-- KEYS    as fence.lua has them; one record
-- ARGV    1 mode: any, new (no record may exist), existing (it must); ' 1:' and a stamp behind it: replaces one of that
--         older version as it is
--         2 version of the model in this process
--         3 TTL: '' leaves it as it is, '0' removes it, else milliseconds; '+' before them: of a new record only
--         4.. field, value, ... (fewer than 7,000)
-- returns the number of fields that were new, and 1 if the index did not have it, else 0
--         or, nothing written, {'REFUSED', reason, 1, stored version}; reason: INDEXES, INDEX, TYPE, EXISTS, GONE, NEWER,
--         OLDER, those of indexes.lua
local call, pcall, index, key = redis.call, redis.pcall, KEYS[1], KEYS[first]
local mode, version, life = ARGV[1], ARGV[2], ARGV[3]
local exists, before, stamp, remove_rest
if indexes then
  if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
  exists = call('EXISTS', key) == 1
else
  -- One question settles most often that there is neither a record nor an index of fields.
  exists = call('EXISTS', key, KEYS[2])
  if exists > 0 then stamp = pcall('HGET', key, '_v') end
  -- One of the two is there: the record, if it has a stamp.
  if exists == 2 or exists == 1 and not stamp and has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
  exists = exists == 1
end
if exists then
  if indexes then
    before = pcall('HMGET', key, unpack(indexes.asked))
    stamp = before.err and before or before[#indexes.asked]
  end
  if type(stamp) == 'table' then
    if is_of_another_type(stamp) then return {'REFUSED', 'TYPE', 1, ''} end
    return stamp
  end
  if mode == 'new' then return {'REFUSED', 'EXISTS', 1, ''} end
  local stored = stamp or '1'
  if stored ~= version then
    local is_older = (version_of(stored) or math.huge) < tonumber(version)
    remove_rest = is_older and replacement(key, mode, 1, stored)
    if not remove_rest then return {'REFUSED', is_older and 'OLDER' or 'NEWER', 1, stored} end
  end
elseif string.sub(mode, 1, 8) == 'existing' then
  return {'REFUSED', 'GONE', 1, ''}
end
local ending
if life == '0' then
  ending = exists and 'PERSIST'
elseif life ~= '' and not (exists and string.sub(life, 1, 1) == '+') then
  ending = 'PEXPIRE'
end
-- pydantic-aioredis gives the index the TTL of a record; when the index expired, all records would be out of sight.
local is_ending = call('PTTL', index) >= 0
demand('HSET', key)
if ending then demand(ending, key) end
if is_ending then demand('PERSIST', index) end
if indexes then
  local after, places = indexes.overlay(not remove_rest and before, version), indexes.places
  for i = 4, #ARGV, 2 do
    local place = places[ARGV[i]]
    if place then after[place] = ARGV[i + 1] end
  end
  indexes.change(key, before, after)
  local refused = indexes.prepare()
  if refused then return refused end
end
-- First, because it is all that can still fail; and a member without a record is harmless.
local added = pcall('ZADD', index, 0, key)
if type(added) == 'table' then
  if is_of_another_type(added) then return {'REFUSED', 'INDEX', 0, ''} end
  return added
end
local refused = indexes and indexes.add()
if refused then
  if added == 1 then pcall('ZREM', index, key) end
  return refused
end
local new = call('HSET', key, '_v', version, unpack(ARGV, 4))
if not stamp then new = new - 1 end
if remove_rest then remove_rest(4, #ARGV, 2) end
if ending == 'PERSIST' then
  call('PERSIST', key)
elseif ending then
  call('PEXPIRE', key, (string.gsub(life, '%+', '')))
end
if is_ending then call('PERSIST', index) end
if indexes then indexes.remove() end
return {new, added}
